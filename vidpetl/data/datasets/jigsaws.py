"""JIGSAWS: three surgical tasks, each in four folds.

    <raw>/info/splits.pkl                             folds, as of MUSDL
    <raw>/<Task>/meta_file_<Task>.txt                 scores as released; or
    <raw>/info/label.pkl                              as of MUSDL
    <raw>/<Task>/video/<trial>_capture1.avi           the left camera; or
    <raw>/frames/<trial>_capture1/*.jpg               its frames, as of MUSDL

<Task> is Suturing, Needle_Passing or Knot_Tying. 'val' of fold 1 to 4 is that
list of the task, 'train' are the other three. The score is the sum of six
sub-scores, which are the judges'.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Annotated

from etils import epath

from vidpetl import mistakes, ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import pickled, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import quality, videos

ASPECTS = 6  # respect for tissue, suture handling, time and motion, ...
FOLDS = 4
_LEAST, _MOST = 1, 5

Ratings = dict[str, tuple[float, ...]]

FPS = 30.0
TASKS = {
  'suturing': 'Suturing',
  'needle_passing': 'Needle_Passing',
  'knot_tying': 'Knot_Tying',
}


def read_meta(path: str) -> Ratings:
  """Reads `meta_file_<Task>.txt`.

  Its lines are trial, skill (N, I or E), total score and six sub-scores,
  without a header: `Suturing_B001  N  13  3 2 1 2 2 3`. The total is the sum.

  Returns:
    Trial -> its six sub-scores.

  Raises:
    text.AnnotationError: with file and line.
  """
  expected = 'a trial, its skill, its total score and six sub-scores 1 to 5'
  ratings: Ratings = {}
  for line, content in text.lines(path):
    fields = content.split()
    if len(fields) != 3 + ASPECTS:
      raise text.fail(path, line, f'{len(fields)} columns', expected)
    scores = tuple(
      text.number(field, path, line, f'sub-score {i}')
      for i, field in enumerate(fields[3:], 1)
    )
    if not all(_LEAST <= score <= _MOST for score in scores):
      raise text.fail(path, line, f'sub-scores {fields[3:]}', expected)
    total = text.number(fields[2], path, line, 'total score')
    if total != sum(scores):
      problem = f'total score {total:g}, and sub-scores of {sum(scores):g}'
      raise text.fail(path, line, problem, expected)
    if fields[0] in ratings:
      raise text.fail(path, line, f'{fields[0]} again', 'each trial once')
    ratings[fields[0]] = scores
  if not ratings:
    raise text.fail(path, None, 'no trials', expected)
  return ratings


def read_labels(path: str) -> Ratings:
  """Reads `label.pkl`: {'Suturing_B001': [3, 2, 1, 2, 2, 3]}.

  Returns:
    Trial -> its six sub-scores.

  Raises:
    text.AnnotationError: naming file and trial.
  """
  expected = '{trial: six sub-scores 1 to 5}'
  ratings: Ratings = {}
  for trial, scores in pickled.read(path, dict, expected).items():
    try:
      scores = list(scores)
    except TypeError:
      raise text.fail(path, None, f'{trial}: {scores!r}', expected) from None
    if len(scores) != ASPECTS:
      raise text.fail(path, None, f'{trial}: {len(scores)} scores', expected)
    ratings[trial] = tuple(
      pickled.number(score, path, trial, f'sub-score {i}', _LEAST, _MOST)
      for i, score in enumerate(scores, 1)
    )
  return ratings


def read_folds(
  path: str, task: str, trials: Collection[str]
) -> list[list[str]]:
  """Reads the folds of a task from `splits.pkl`.

  Args:
    path: of a pickle of {'Suturing': [[trial, ...], ...], ...}.
    task: e.g. 'Suturing'.
    trials: that have scores.

  Returns:
    Four lists of trials, each of which is tested in one fold.

  Raises:
    text.AnnotationError: for a missing task or fold, an unknown trial, or one
      in several folds.
  """
  expected = '{task: four lists of trials}, each trial in one of them'
  tasks = pickled.read(path, dict, expected)
  if task not in tasks:
    problem = f'no task {task!r}, only {list(tasks)}'
    raise text.fail(path, None, problem, expected)
  folds = tasks[task]
  several = (list, tuple)
  if not isinstance(folds, several) or not all(
    isinstance(fold, several) for fold in folds
  ):
    raise text.fail(path, None, f'{task}: {repr(folds)[:80]}', expected)
  if len(folds) != FOLDS or not all(folds):
    problem = f'{task}: folds of {[len(fold) for fold in folds]} trials'
    raise text.fail(path, None, problem, expected)
  seen = set()
  for trial in (trial for fold in folds for trial in fold):
    if trial not in trials:
      raise text.fail(path, None, f'{task}: {trial!r} has no scores', expected)
    if trial in seen:
      raise text.fail(path, None, f'{task}: {trial!r} is there twice', expected)
    seen.add(trial)
  return [list(fold) for fold in folds]


_Task = Annotated[str, ranges.OneOf(TASKS)]
_Fold = Annotated[int, ranges.Between(1, FOLDS)]


def open_split(
  dataset: str, raw: str, split: str, task: _Task, fold: _Fold
) -> Performances:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: 'jigsaws'.
    raw: its folder.
    split: 'train' or 'val'.
    task: one of `TASKS`.
    fold: 1 to 4.

  Returns:
    The source.
  """
  root = epath.Path(raw)
  folder = root / TASKS[task]
  ratings = _ratings(root, folder / f'meta_file_{TASKS[task]}.txt')
  path = text.require(root / 'info' / 'splits.pkl', "MUSDL's folds")
  folds = read_folds(path, TASKS[task], ratings)
  _name_left_out(path, TASKS[task], ratings, folds)
  trials = [
    trial
    for number, members in enumerate(folds, 1)
    for trial in members
    if (number == fold) == (split == 'val')
  ]
  clips = videos.Places(root / 'frames', folder / 'video')
  return quality.assemble(
    name=f'{dataset}_{task}_{fold}',
    split=split,
    fps=FPS,
    performances=[
      Performance(
        id=trial,
        score=sum(ratings[trial]),
        judge_scores=ratings[trial],
        action=task,
      )
      for trial in trials
    ],
    places=[
      clips.get(f'{trial}_capture1') or quality.missing(trial, raw)
      for trial in trials
    ],
    folder=raw,
  )


def _name_left_out(
  path: str, task: str, ratings: Ratings, folds: list[list[str]]
) -> None:
  """Names the trials of a task that have scores and are in no fold."""
  known = {trial for fold in folds for trial in fold}
  # `label.pkl` has the trials of all tasks.
  scored = [trial for trial in ratings if trial.startswith(f'{task}_')]
  if left_out := [trial for trial in scored if trial not in known]:
    mistakes.note(
      f'{path}: {len(left_out)} of the {len(scored)} trials of {task} with '
      f'scores are in no fold, and are left out: {", ".join(left_out)}.'
    )


def _ratings(raw: epath.Path, meta: epath.Path) -> Ratings:
  labels = raw / 'info' / 'label.pkl'
  if not meta.is_file() and labels.is_file():
    return read_labels(os.fspath(labels))
  return read_meta(text.require(meta, "JIGSAWS' scores"))


DATASET = dataset_lib.Dataset(
  name='jigsaws',
  variants={'task': tuple(TASKS), 'fold': tuple(range(1, FOLDS + 1))},
  kind='quality',
  title='JIGSAWS',
  description='JIGSAWS: surgical tasks on a bench, by surgeons of any skill.',
  layout=__doc__,
  citation="""@inproceedings{gao2014jigsaws,
  title={{JHU-ISI} Gesture and Skill Assessment Working Set ({JIGSAWS}): A
    Surgical Activity Dataset for Human Motion Modeling},
  author={Gao, Yixin and others},
  booktitle={MICCAI Workshop: M2CAI},
  year={2014}}""",
  licence=(
    'On request; see https://cirl.lcsr.jhu.edu/research/hmm/datasets/'
    'jigsaws_release/.'
  ),
  open=open_split,
  fps=FPS,
  demo_classes=0,
)
