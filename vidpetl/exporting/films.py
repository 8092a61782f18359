"""Real clips on which an export is compared with its run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.data import (
  clip_spec,
  clips,
  examples,
  frames,
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
  words = f'{len(films)} given films'
  if not films:
    found, words = _evaluated(subject.name, run)
    if not found:
      return Clips(noise(subject), f'noise alone: {words}')
    films = found
  clip, info = subject.task.eval_clip, subject.info
  batch = clips.padding(info, clip, (len(films),))
  for row, film in enumerate(films):
    _fill(
      {key: array[row, ...] for key, array in batch.items()}, film, clip, info
    )
  return Clips(_beside(subject, batch), words)


def _evaluated(task: str, run: str) -> tuple[list[str | bytes], str]:
  """Returns films of a run's own evaluation, and words; or why there are none.

  Films lie evenly in the order of the source. A model that vidpetl brings along
  has its own.
  """
  if run in models.names():
    return [models.find(run, models.FILM)], f'the film of {run}'
  for folder in (epath.Path(run), epath.Path(run).parent):
    if (file := folder / 'config.json').exists():
      break
  else:
    return [], f'{run} does not say on what it was evaluated; give --clips'
  config = opening.read_json(file)
  options = config.get('tasks', {}).get(task, {})
  options = options.get('eval') or options.get('train')
  if not options:
    return [], f'{file} says no data of the task {task}; give --clips'
  try:
    source = sources.open_source(options)
  except (OSError, ValueError) as error:
    words = str(error).partition('\n')[0]
    return [], f'the evaluation data is not there ({words}); give --clips'
  if not len(source):
    return [], 'the evaluation data is empty; give --clips'
  places = np.linspace(0, len(source) - 1, min(COUNT, len(source)))
  found = [source.video(int(i)) for i in places]
  return found, f'{len(found)} films of {source.info.name}/{source.info.split}'


def _fill(
  row: Batch, film: str | bytes, clip: clip_spec.ClipSpec, info: examples.Info
) -> None:
  """Writes the clips of a whole film, whatever is annotated in it."""
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
        row[key][...] = made[key]


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
