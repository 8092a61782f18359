"""Features of films and of datasets, into files: all that can be read."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.data import (
  contents,
  decode,
  examples,
  frames,
  pipeline,
  quarantine,
)
from vidpetl.data import names as names_lib
from vidpetl.inference import feature_files, moments
from vidpetl.inference import model as model_lib

UNREADABLE = 'unreadable.csv'
_FORMAT = 1
# Of a batch, what is no annotation.
_NO_LABELS = ('video', 'size', 'index', 'seed', 'valid')

Advance = Callable[[str], None]


class Sink:
  """Where features go: a file of each film in a folder, or one of all.

  Attributes:
    failed: why films could not be read, by name.
    done: films that were written.
    left: films that were there already.
  """

  def __init__(
    self,
    out: epath.PathLike,
    form: feature_files.Form,
    asked: Mapping[str, Any],
  ):
    """Opens nothing.

    Args:
      out: a folder; or a file, by its suffix, that has all films.
      form: of the files.
      asked: what the features depend on besides the film.
    """
    self._out, self._form, self._asked = epath.Path(out), form, dict(asked)
    self._single = self._out.suffix == f'.{form.format}'
    self._together: dict[str, np.ndarray] = {}
    self._films: dict[str, Any] = {}
    self.failed: dict[str, str] = {}
    self.done = self.left = 0

  def __enter__(self) -> Self:
    # Before hours of work that could not be written.
    folder = self._out.parent if self._single else self._out
    folder.mkdir(parents=True, exist_ok=True)
    return self

  def __exit__(self, kind, *unused) -> None:
    if kind is None:
      self._close()

  def has(self, name: str, sign: str) -> bool:
    """Returns whether a film's file is there, as it would be made now."""
    if self._single:
      return False
    told = feature_files.about(self._path(name))
    there = told is not None and told.get('asked') == self._about(sign)['asked']
    self.left += there
    return there

  def add(
    self,
    name: str,
    sign: str,
    found: model_lib.Features,
    labels: Mapping[str, np.ndarray] | None = None,
    **more: Any,
  ) -> None:
    """Writes a film.

    Args:
      name: of its file, without suffix.
      sign: what tells its bytes.
      found: features.
      labels: arrays of what it is annotated with.
      **more: what else its file says.
    """
    arrays = self._form.arrays(found)
    arrays |= {f'labels/{k}': np.asarray(v) for k, v in (labels or {}).items()}
    about = self._about(sign) | more
    self.done += 1
    if self._single:
      self._together |= {f'{name}/{key}': x for key, x in arrays.items()}
      self._films[name] = about
      return
    path = self._path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    feature_files.write(path, arrays, about)

  def fail(self, name: str, reason: str) -> None:
    """Takes a film that cannot be read."""
    self.failed[name] = reason

  def _path(self, name: str) -> epath.Path:
    # A suffix is appended: 'a.b' of 'a.b.mp4' has none.
    return self._out / f'{name}.{self._form.format}'

  def _about(self, sign: str) -> dict[str, Any]:
    asked = {'format': _FORMAT, 'dtype': self._form.dtype, 'bytes': sign}
    asked |= {'what': list(self._form.what)}
    return {'asked': asked | self._asked}

  def _close(self) -> None:
    folder = self._out
    if self._single:
      folder = self._out.parent
      if self._films:
        feature_files.write(self._out, self._together, {'films': self._films})
    path = folder / UNREADABLE
    if not self.failed:
      if not self._single:
        path.unlink(missing_ok=True)
      return
    text = io.StringIO()
    rows = [('film', 'reason'), *self.failed.items()]
    csv.writer(text, lineterminator='\n').writerows(rows)
    durable.write(path, text.getvalue())


def of_films(
  model: model_lib.Model,
  task: str,
  listed: Sequence[str],
  sink: Sink,
  advance: Advance,
  blocks: Sequence[int] = (),
  **options: Any,
) -> None:
  """Writes the features of films; those that cannot be read are named.

  Args:
    model: that encodes.
    task: whose clips are cut.
    listed: paths.
    sink: where they go.
    advance: is told of each film that is done, by its name.
    blocks: see `Model.features`.
    **options: see `Model.features`.
  """
  for path, name in zip(listed, feature_files.names(listed)):
    sign = contents.of_file(path).hex()
    if not sink.has(name, sign):
      try:
        found = model.features(path, task, blocks=blocks, **options)
      except (decode.DecodeError, OSError) as error:
        film = names_lib.shown(path)
        sink.fail(film, str(error).removeprefix(f'{film}: '))
      else:
        sink.add(name, sign, found, film=names_lib.shown(path))
    advance(name)


def of_examples(
  model: model_lib.Model,
  task: str,
  source: examples.Source,
  part: str,
  sink: Sink,
  advance: Advance,
  blocks: Sequence[int] = (),
) -> None:
  """Writes the features of a dataset: of each example a clip, as in a test.

  Args:
    model: that encodes.
    task: whose examples they are.
    source: of them.
    part: what its folder is called.
    sink: where they go.
    advance: is told of each example that is done, by its name.
    blocks: see `Model.features`.
  """
  program = model.program(task)
  signs = contents.fingerprint(source)
  called = [f'{task}/{part}/{_as_name(x)}' for x in source.ids]
  sign = lambda i: f'{signs} {i}'
  chosen = [i for i, name in enumerate(called) if not sink.has(name, sign(i))]
  damaged = _Failures(source)
  for batch in _batches(program, source, chosen, damaged):
    rows = program.features(batch, blocks=blocks)
    rows = {key: np.asarray(x) for key, x in rows.items()}
    for k, number in enumerate(batch['index']):
      if number < 0:
        continue
      i = chosen[number]
      if not batch['valid'][k]:
        sink.fail(called[i], damaged.reasons.get(i, 'cannot be decoded'))
      else:
        one = {key: x[k : k + 1] for key, x in rows.items()}
        found = _with_times(program, source, i, one)
        labels = {n: x[k] for n, x in batch.items() if n not in _NO_LABELS}
        sink.add(called[i], sign(i), found, labels, example=source.ids[i])
      advance(called[i])


def _batches(
  program: model_lib.Program,
  source: examples.Source,
  chosen: Sequence[int],
  damaged: _Failures,
) -> Iterator[dict[str, np.ndarray]]:
  if not chosen:
    return iter(())
  return pipeline.chosen_batches(
    source,
    program.task.eval_clip,
    np.array(chosen),
    np.zeros((len(chosen), 2), np.uint32),
    batch_size=program.batch_size,
    quarantine=damaged,
  )


class _Failures(quarantine.Quarantine):
  """Examples that cannot be decoded, however many they are, and why."""

  def __init__(self, source: examples.Source):
    super().__init__()
    self.reasons: dict[int, str] = {}
    self._source = source

  def add(self, source, i, path, reason):
    self.reasons[i] = f'{path}: {reason}'


def _with_times(
  program: model_lib.Program,
  source: examples.Source,
  i: int,
  rows: Mapping[str, np.ndarray],
) -> model_lib.Features:
  """Returns the features of an example, with its times in its video."""
  clip, info, annotation = program.task.eval_clip, source.info, source[i]
  with frames.open_video(source.video(i), annotation.id, info.fps) as film:
    shown = moments.of_frames(film, [annotation], clip, info)
  rest = {k: x for k, x in rows.items() if k not in ('grid', 'summary')}
  times = moments.of_tokens(program.task, info, shown, rows['grid'].shape[-4])
  begin, end = shown.min(keepdims=True), shown.max(keepdims=True)
  return model_lib.Features(
    begin.reshape(-1),
    end.reshape(-1),
    rows['grid'],
    rows['summary'],
    times,
    rest,
  )


def _as_name(example: str) -> str:
  """Returns an example's id as a path below a folder."""
  parts = [p for p in example.replace(os.sep, '/').split('/') if p not in '..']
  return '/'.join(parts) or 'example'
