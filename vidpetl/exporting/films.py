"""Real clips on which an export is compared with its run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath

from vidpetl.data import (
  clips,
  decode,
  frames,
  names,
  opening,
  samplers,
  sources,
  streaming,
)
from vidpetl.data.kinds import unlabelled
from vidpetl.exporting import subject as subject_lib
from vidpetl.inference import models

Batch = dict[str, np.ndarray]
COUNT = 4
# Films that are tried in vain before none are thought to be readable.
_UNREAD = 8


@dataclasses.dataclass(frozen=True)
class Clips:
  """Clips, and where they are from.

  Attributes:
    arrays: as an evaluation has them, [n, ...] each.
    words: what they are.
  """

  arrays: Batch
  words: str


def take(
  subject: subject_lib.Subject, run: str, films: Sequence[str] = ()
) -> Clips:
  """Returns clips of films; of the run's own evaluation by default.

  Args:
    subject: for whose task they are.
    run: its working directory, if it has one.
    films: to take instead.

  Raises:
    ValueError: if one of `films` cannot be read.
  """
  if films:
    rows = [_row(subject, film) for film in films]
    return Clips(_batch(subject, rows), f'{len(films)} given films')
  found, words = _evaluated(subject.name, run)
  rows, unread = _readable(subject, found)
  if not rows:
    reason = unread[0] if unread else words
    return Clips(noise(subject), f'noise alone: {reason}')
  words = f'{names.plural(len(rows), "film")} of {words}'
  if unread:
    words += f', without {len(unread)} that cannot be read ({unread[0]})'
  return Clips(_batch(subject, rows), words)


def _readable(
  subject: subject_lib.Subject, films: Iterator[str | bytes]
) -> tuple[list[Batch], list[str]]:
  """Returns the clips of the first `COUNT` films that can be read.

  Also returns why others cannot; behind `_UNREAD` of them no more are tried.
  """
  rows, unread = [], []
  for film in films:
    try:
      rows.append(_row(subject, film))
    except decode.DecodeError as error:
      unread.append(str(error))
    if len(rows) == COUNT or len(unread) == _UNREAD:
      break
  return rows, unread


def _batch(subject: subject_lib.Subject, rows: Sequence[Batch]) -> Batch:
  batch = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
  return _beside(subject, batch)


def _evaluated(task: str, run: str) -> tuple[Iterator[str | bytes], str]:
  """Returns films of a run's evaluation, and what it is; or why there are none.

  The first films lie evenly in the order of the source, and the others behind
  them. A model that vidpetl brings along has its own.
  """
  nothing = iter(())
  if run in models.names():
    return iter([models.find(run, models.FILM)]), run
  for folder in (epath.Path(run), epath.Path(run).parent):
    if (file := folder / 'config.json').exists():
      break
  else:
    return nothing, f'{run} does not say on what it was evaluated; give --clips'
  config = opening.read_json(file)
  options = config.get('tasks', {}).get(task, {})
  options = options.get('eval') or options.get('train')
  if not options:
    return nothing, f'{file} says no data of the task {task}; give --clips'
  try:
    source = sources.open_source(options)
  except (OSError, ValueError) as error:
    words = str(error).partition('\n')[0]
    return nothing, f'the evaluation data is not there ({words}); give --clips'
  if not len(source):
    return nothing, 'the evaluation data is empty; give --clips'
  places = np.linspace(0, len(source) - 1, min(COUNT, len(source)))
  first = [int(i) for i in places]
  order = [*first, *(i for i in range(len(source)) if i not in first)]
  words = f'{source.info.name}/{source.info.split}'
  return (source.video(i) for i in order), words


def _row(subject: subject_lib.Subject, film: str | bytes) -> Batch:
  """Returns the clips of a whole film [1, ...], whatever is annotated in it.

  Raises:
    decode.DecodeError: if it cannot be read.
  """
  clip, info = subject.task.eval_clip, subject.info
  row = clips.padding(info, clip, (1,))
  name = film if isinstance(film, str) else 'a film of the records'
  sampler = clip.sampler
  if clip.sampling == 'around':  # A moment that a film by itself has not.
    sampler = samplers.load('stride')()
  clip = dataclasses.replace(clip, kind=unlabelled.KIND, sampler=sampler)
  info = dataclasses.replace(info, kind=unlabelled.KIND.name)
  with frames.open_video(film, name, info.fps) as opened:
    whole = [unlabelled.Piece(name)]
    for _, made in streaming.read(opened, whole, clip, info):
      for key in ('video', 'size', 'valid', 'index'):
        row[key][0] = made[key]
  return row


def noise(subject: subject_lib.Subject) -> Batch:
  """Returns clips of random bytes."""
  rng = np.random.default_rng(0)
  batch = clips.padding(subject.info, subject.task.eval_clip, (COUNT,))
  batch['video'][...] = rng.integers(0, 256, batch['video'].shape, np.uint8)
  batch['size'][...] = batch['video'].shape[-2]
  return _beside(subject, batch)


def _beside(subject: subject_lib.Subject, batch: Batch) -> Batch:
  """Adds what is asked beside the films: boxes, and difficulties."""
  model, *_ = subject.programs()
  rng = np.random.default_rng(1)
  if 'boxes' in model.inputs:
    first, second = rng.uniform(0, 1, (2, *batch['boxes'].shape[:-1], 2))
    batch['boxes'][...] = np.concatenate(
      [np.minimum(first, second), np.maximum(first, second)], -1
    )
    batch['box_valid'][...] = True
  for name in ('difficulty', 'score'):
    if name in batch:
      batch[name][...] = rng.uniform(1, 3, batch[name].shape)
  return batch
