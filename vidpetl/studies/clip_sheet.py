"""The clips on which a run does worst and best, with truth and guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from vidpetl import mistakes
from vidpetl.data import clips, decode, examples, index, sources
from vidpetl.data.names import shown
from vidpetl.experiment import complete
from vidpetl.studies import contact_sheet
from vidpetl.studies.recorded import Recorded
from vidpetl.tasks import distillation
from vidpetl.tasks import task as task_lib


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
  every = rank(run, task, step)
  some = min(count, (len(every) + 1) // 2)
  config = complete.complete(run.config).tasks[task]
  source = sources.open_source(config.eval)
  info = sources.open_source(config.train).info
  built = distillation.build(task, config.to_dict(), info)
  sheets = {
    f'{task}, worst': every[:some],
    f'{task}, best': every[::-1][: min(some, len(every) - some)],
  }
  return contact_sheet.draw(
    {
      name: list(_frames(chosen, source, built))
      for name, chosen in sheets.items()
    }
  )


def _frames(
  chosen: Sequence[Ranked], source: examples.Source, task: task_lib.Task
) -> Iterator[contact_sheet.Shown]:
  """Yields clips as the test samples them, in one view."""
  spec = dataclasses.replace(task.eval_clip, views=(1, 1))
  spec.check(source.info)
  wanted = {clip.id for clip in chosen}
  at = {
    name: i
    for i, each in enumerate(source.ids)
    if (name := shown(each)) in wanted
  }
  for clip in chosen:
    if clip.id not in at:
      mistakes.note(f'{clip.id} is no longer in {source.info.name}; left out')
      continue
    i = at[clip.id]
    try:
      loaded = clips.load(
        source, i, spec, index.example_seed(0, source.info.name, i)
      )
    except decode.DecodeError as error:
      mistakes.note(f'left out, cannot be decoded: {error}')
      continue
    yield contact_sheet.Shown(
      clip.title, clip.id, loaded['video'][None], np.zeros((0, 4))
    )
