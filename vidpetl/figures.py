"""Draws what runs measured and predicted, from the files that they left.

  python -m vidpetl.figures RUN
  python -m vidpetl.figures BASELINE RUN … --out=FOLDER [--names=a,b]

Of one run, into RUN/pictures:

  <task>_confusion     what is taken for what; of many classes the most confused
  <task>_classes       accuracy or average precision of each class, and how
                       often training shows it
  <task>_clips         worst and best clips or keyframes, truth and guess
  <task>_curves        loss and accuracy of training, and what tests measured

Of several runs, into FOLDER:

  <task>_compare       a metric of all of them over training
  <task>_gain_<name>   what each class gains over the first run, by run
  <task>_cost          the metric over GFLOPs; a bubble's area is what trains

Each is a PNG and an SVG, but for frames, which are a PNG.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, mistakes, ranges

with epy.lazy_imports():
  from vidpetl.data import kinds
  from vidpetl.metrics import confusion
  from vidpetl.studies import (
    class_bars,
    clip_sheet,
    curves,
    flops,
    keyframe_sheet,
    recorded,
    style,
  )
  from vidpetl.tasks import confusion_matrix

OF_ONE = ('confusion', 'classes', 'clips', 'curves')
OF_SEVERAL = ('compare', 'gain', 'cost')


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_list(
    'draw', None, f'Which of {", ".join(OF_ONE + OF_SEVERAL)}; all if unset.'
  )
  flags.DEFINE_string('out', None, 'Folder of the pictures.')
  flags.DEFINE_list('names', None, 'What the runs are called, in their order.')
  flags.DEFINE_string('task', None, 'Which task; all if unset.')
  flags.DEFINE_string('metric', None, "Of several runs; the task's first.")
  bounded.define(
    'step',
    None,
    ranges.Natural,
    'Of the evaluation; that of results.json if unset.',
  )
  bounded.define(
    'examples', 6, ranges.Count, 'Clips of the worst and of the best.'
  )


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  runs = [epath.Path(word) for word in argv[1:]]
  if not runs:
    raise app.UsageError('Give the working directory of a run, or of several.')
  logging.set_verbosity(logging.ERROR)
  found = recorded.named(runs, args.names)
  known = OF_ONE if len(runs) == 1 else OF_SEVERAL
  for name in args.draw or ():
    if name not in known:
      raise app.UsageError(
        f'--draw={name} is none of {", ".join(known)}, the pictures of '
        + ('one run.' if len(runs) == 1 else 'several runs.')
      )
  if len(runs) > 1 and not args.out:
    raise app.UsageError('Several runs need --out, the folder of pictures.')
  folder = epath.Path(args.out or runs[0] / 'pictures')
  chosen = args.draw or known
  if len(runs) == 1:
    drawn = of_one(found[0], chosen, args.task, args.step, args.examples)
  else:
    drawn = of_several(found, chosen, args.task, args.metric)
  for stem, picture in drawn:
    for path in style.save(picture, folder, stem):
      print(path)


def of_one(
  run: recorded.Recorded,
  chosen: Sequence[str],
  task: str | None = None,
  step: int | None = None,
  count: int = 6,
) -> Iterator[tuple[str, Any]]:
  """Yields names and pictures of a run.

  What a task has no such picture of is noted; it is an error if that picture of
  that task was asked for.

  Args:
    run: to draw.
    chosen: some of `OF_ONE`.
    task: of the run; None for all.
    step: of the evaluation; None for that of results.json.
    count: clips of the worst, and of the best.
  """
  draw = {
    'confusion': lambda name: _confusion(run, name, step),
    'classes': lambda name: _classes(run, name, step),
    'clips': lambda name: _clips(run, name, count, step),
    'curves': lambda name: curves.of_run(run, name),
  }
  for name in _tasks([run], task):
    for kind in chosen:
      made = _or_note(lambda k=kind, n=name: draw[k](n), must=task is not None)
      if made is not None:
        yield _stem(name, kind), made


def _or_note(draw: Callable[[], Any], must: bool) -> Any:
  try:
    return draw()
  except ValueError as error:
    if must:
      raise
    mistakes.note(f'not drawn: {error}')
    return None


def _clips(
  run: recorded.Recorded, task: str, count: int, step: int | None
) -> Any:
  people = run.kind(task) == 'localisation'
  sheet = keyframe_sheet if people else clip_sheet
  return sheet.draw(run, task, count, step)


def _classes(run: recorded.Recorded, task: str, step: int | None) -> Any:
  kind = run.kind(task)
  if not kinds.load(kind).has_classes:
    raise ValueError(f'{run.workdir}: {task} is for {kind}, without classes.')
  return class_bars.of_run(run.per_class(task, step), f'{run.name}: {task}')


def _confusion(run: recorded.Recorded, task: str, step: int | None) -> Any:
  kind = run.kind(task)
  if kind != 'classification':
    raise ValueError(
      f'{run.workdir}: {task} is for {kind}; a confusion matrix is of clips '
      'with one label each.'
    )
  arrays = run.arrays(task, step)
  counts = confusion.counts(arrays['labels'], arrays['scores'])
  return confusion_matrix.draw(counts, arrays['classes'].tolist())


def of_several(
  runs: Sequence[recorded.Recorded],
  chosen: Sequence[str],
  task: str | None = None,
  metric: str | None = None,
) -> Iterator[tuple[str, Any]]:
  """Yields names and pictures of several runs; see `of_one`.

  Args:
    runs: the first being what others are compared with.
    chosen: some of `OF_SEVERAL`.
    task: that all have; None for all of those.
    metric: of the task; None for its first.
  """
  for name in _tasks(runs, task):
    measured = metric or runs[0].metrics(name)[0]
    if 'compare' in chosen:
      yield _stem(name, 'compare'), curves.of_runs(runs, name, measured)
    if 'gain' in chosen:
      yield from _gains(runs, name, must=task is not None)
    if 'cost' in chosen:
      points = [_point(run, name, measured) for run in runs]
      yield _stem(name, 'cost'), flops.draw(points, f'{name}/{measured}')


def _gains(runs, task: str, must: bool) -> Iterator[tuple[str, Any]]:
  base, *others = runs
  for run in others:
    title = f'{task}: {run.name} over {base.name}'
    made = _or_note(
      lambda run=run, title=title: class_bars.gain(
        base.per_class(task), run.per_class(task), title
      ),
      must,
    )
    if made is not None:
      yield _stem(task, 'gain', run.name), made


def _point(run: recorded.Recorded, task: str, metric: str) -> flops.Point:
  _, values = run.curve(f'{task}/{metric}')
  if not (len(values) and run.results and run.config):
    raise ValueError(f'{run.workdir} is not finished: it has no results.json.')
  trained = run.results['parameters']['trained']
  cost = flops.forward(run.config)[task]
  value = run.results['tasks'][task]['metrics'][metric]
  return flops.Point(run.name, cost, trained, (value,))


def _tasks(runs: Sequence[recorded.Recorded], task: str | None) -> list[str]:
  """Returns the tasks that all runs have, or the one that is named."""
  first, *others = (run.tasks for run in runs)
  shared = [name for name in first if all(name in each for each in others)]
  if task and task not in shared:
    raise ValueError(
      f'--task={task} is none that was evaluated: {", ".join(shared) or "none"}'
    )
  if not shared:
    raise ValueError(
      f'{", ".join(str(run.workdir) for run in runs)}: no task was evaluated'
      + (' in all of them.' if others else ' yet.')
    )
  return [task] if task else shared


def _stem(*words: str) -> str:
  return re.sub(r'[^\w.-]', '_', '_'.join(words))


if __name__ == '__main__':
  cli.run(define_flags, main)
