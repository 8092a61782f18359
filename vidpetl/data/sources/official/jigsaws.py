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

from vidpetl.data.annotations import jigsaws, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources.official import classification, quality

DATASETS = ('jigsaws',)
FPS = 30.0
TASKS = {
  'suturing': 'Suturing',
  'needle_passing': 'Needle_Passing',
  'knot_tying': 'Knot_Tying',
}


def open(
  dataset: str, raw: str, split: str, task: str, fold: int
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
  classification.check_split(split)
  quality.check_choice('task', task, TASKS)
  quality.check_choice('fold', fold, range(1, jigsaws.FOLDS + 1))
  folder = os.path.join(raw, TASKS[task])
  ratings = _ratings(raw, os.path.join(folder, f'meta_file_{TASKS[task]}.txt'))
  path = text.require(os.path.join(raw, 'info', 'splits.pkl'), "MUSDL's folds")
  folds = jigsaws.read_folds(path, TASKS[task], ratings)
  trials = [
    trial
    for number, members in enumerate(folds, 1)
    for trial in members
    if (number == fold) == (split == 'val')
  ]
  clips = quality.Clips(
    os.path.join(raw, 'frames'), os.path.join(folder, 'video')
  )
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


def _ratings(raw: str, meta: str) -> jigsaws.Ratings:
  labels = os.path.join(raw, 'info', 'label.pkl')
  if not os.path.isfile(meta) and os.path.isfile(labels):
    return jigsaws.read_labels(labels)
  return jigsaws.read_meta(text.require(meta, "JIGSAWS' scores"))
