"""The clips on which a run does worst and best, with truth and guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from vidpetl import mistakes
from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  examples,
  index,
  sources,
)
from vidpetl.data.names import shown
from vidpetl.experiment import complete
from vidpetl.studies import contact_sheet
from vidpetl.studies.recorded import Recorded
from vidpetl.tasks import distillation

_Any = TypeVar('_Any')


@dataclasses.dataclass(frozen=True)
class Ranked:
  """A clip of an evaluation.

  Attributes:
    badness: the higher the worse.
    id: of the example, as predictions have it.
    title: truth and guess.
  """

  badness: float
  id: str
  title: str


def rank(run: Recorded, task: str, step: int | None = None) -> list[Ranked]:
  """Returns the clips of an evaluation, worst first.

  Worst are classified clips whose true class has the lowest probability,
  labelled ones with the highest cross-entropy, and performances whose score is
  missed by most.

  Args:
    run: with predictions on file.
    task: of it.
    step: of the evaluation; None is that of results.json.

  Raises:
    ValueError: for a task of another kind.
  """
  kind = run.kind(task)
  if kind not in _OF_KIND:
    raise ValueError(
      f'{run.workdir}: {task} is for {kind}, whose examples are no clips that '
      'are right or wrong; its evaluation draws what there is to see.'
    )
  found = list(_OF_KIND[kind](run, task, step))
  return sorted(found, key=lambda clip: clip.badness, reverse=True)


def _classified(run, task, step) -> Iterator[Ranked]:
  for row in run.predictions(task, step):
    truth = f'{row["truth"]} {float(row["truth_score"]):.2f}'
    right = row['truth'] == row['top1']
    title = f'{truth}, right' if right else f'{truth}, taken for {_guess(row)}'
    yield Ranked(-float(row['truth_score']), row['id'], title)


def _labelled(run, task, step) -> Iterator[Ranked]:
  arrays = run.arrays(task, step)
  p = np.clip(arrays['scores'].astype(float), 1e-7, 1 - 1e-7)
  losses = -np.log(np.where(arrays['labels'], p, 1 - p)).sum(1)
  for row, loss in zip(run.predictions(task, step), losses, strict=True):
    title = f'{row["truth"] or "no label"}; guess: {_guess(row)}'
    yield Ranked(float(loss), row['id'], title)


def _scored(run, task, step) -> Iterator[Ranked]:
  for row in run.predictions(task, step):
    truth, predicted = float(row['truth']), float(row['predicted'])
    title = f'score {truth:g}, predicted {predicted:.4g}'
    yield Ranked(abs(truth - predicted), row['id'], title)


def _guess(row) -> str:
  return f'{row["top1"]} {float(row["score1"]):.2f}'


_OF_KIND = {
  'classification': _classified,
  'multilabel': _labelled,
  'quality': _scored,
}


def choose(
  every: Sequence[_Any], count: int
) -> tuple[Sequence[_Any], Sequence[_Any]]:
  """Returns so many of the worst, and of the best, none of them twice.

  Args:
    every: clips or keyframes, worst first.
    count: of each.
  """
  some = min(count, (len(every) + 1) // 2)
  return every[:some], every[::-1][: min(some, len(every) - some)]


def draw(
  run: Recorded, task: str, count: int, step: int | None = None
) -> Image.Image:
  """Draws so many of the worst clips, and of the best.

  Args:
    run: whose data are where its config says.
    task: of the run.
    count: of clips of each.
    step: of the evaluation; None is that of results.json.
  """
  worst, best = choose(rank(run, task, step), count)
  source, spec = open_data(run, task)
  return contact_sheet.draw(
    {
      name: [_shown(*found) for found in read(chosen, source, spec)]
      for name, chosen in (
        (f'{task}, worst', worst),
        (f'{task}, best', best),
      )
    }
  )


def open_data(
  run: Recorded, task: str
) -> tuple[examples.Source, clip_spec.ClipSpec]:
  """Returns the test examples of a task, and how it cuts them, in one view.

  Args:
    run: whose data are where its config says.
    task: of the run.

  Raises:
    ValueError, OSError: as sources do that are not there.
  """
  config = complete.complete(run.config).tasks[task]
  source = sources.open_source(config.eval)
  info = sources.open_source(config.train).info
  built = distillation.build(task, config.to_dict(), info)
  spec = dataclasses.replace(built.eval_clip, views=(1, 1))
  spec.check(source.info)
  return source, spec


def read(
  chosen: Sequence[Ranked], source: examples.Source, spec: clip_spec.ClipSpec
) -> Iterator[tuple[Ranked, int, Mapping[str, np.ndarray]]]:
  """Yields clips as the test samples them.

  What is not there any more, or cannot be decoded, is noted and left out.

  Args:
    chosen: clips of an evaluation.
    source: of the test.
    spec: of `open_data`.

  Yields:
    A clip as it was ranked, its place in the source, and its arrays.
  """
  at = places(chosen, source)
  for clip in chosen:
    if clip.id not in at:
      mistakes.note(f'{clip.id} is no longer in {source.info.name}; left out')
      continue
    i = at[clip.id]
    seed = index.example_seed(0, source.info.name, i)
    try:
      yield clip, i, clips.load(source, i, spec, seed)
    except decode.DecodeError as error:
      mistakes.note(f'left out, cannot be decoded: {error}')


def places(chosen: Sequence[Ranked], source: examples.Source) -> dict[str, int]:
  """Returns id -> place in the source, of those clips that are there."""
  wanted = {clip.id for clip in chosen}
  return {
    name: i
    for i, each in enumerate(source.ids)
    if (name := shown(each)) in wanted
  }


def _shown(clip: Ranked, _: int, arrays: Mapping[str, np.ndarray]):
  return contact_sheet.Shown(
    clip.title, clip.id, arrays['video'][None], np.zeros((0, 4))
  )
