"""PD4T: four tasks of patients with Parkinson's disease, split by subject.

    <raw>/Annotations/<Task>/{train,test}.csv   <sample>_<subject>,frames,score
    <raw>/Videos/<Task>/<subject>/<sample>.mp4
  or
    <raw>/Annotations/<Task>/{train,test}.list    sample score frames subject
    <raw>/Frames/<Task>/<subject>/<sample>/img_%05d.jpg

<Task> is Gait, Finger tapping, Hand movement or Leg agility. A sample is a
visit, with _l or _r where there is a side. 'val' is the test list. Scores are
UPDRS', 0 (normal) to 4 (severe).
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import pd4t, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources.official import classification, quality

DATASETS = ('pd4t',)
FPS = 25.0
TASKS = {
  'gait': 'Gait',
  'finger_tapping': 'Finger tapping',
  'hand_movement': 'Hand movement',
  'leg_agility': 'Leg agility',
}


def open(
  dataset: str,
  raw: str,
  split: str,
  task: str,
  shared_subjects: bool = False,
) -> Performances:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: 'pd4t'.
    raw: its folder.
    split: 'train' or 'val'.
    task: one of `TASKS`.
    shared_subjects: takes lists of which both have videos of one subject.

  Returns:
    The source.
  """
  classification.check_split(split)
  quality.check_choice('task', task, TASKS)
  lists = tuple(_list(raw, TASKS[task], name) for name in ('train', 'test'))
  read = [pd4t.read(path) for path in lists]
  if not shared_subjects:
    pd4t.require_apart(lists, *read)
  clips = quality.Clips(
    *(os.path.join(raw, kind, TASKS[task]) for kind in ('Videos', 'Frames'))
  )
  videos = {f'{v.subject}/{v.sample}': v for v in read[split == 'val']}
  return quality.assemble(
    name=f'{dataset}_{task}',
    split=split,
    fps=FPS,
    performances=[
      Performance(id=name, score=video.score, action=task)
      for name, video in videos.items()
    ],
    places=[clips.get(name) or quality.missing(name, raw) for name in videos],
    folder=raw,
  )


def _list(raw: str, task: str, name: str) -> str:
  path = os.path.join(raw, 'Annotations', task, name)
  if os.path.isfile(f'{path}.list') and not os.path.isfile(f'{path}.csv'):
    return f'{path}.list'
  return text.require(f'{path}.csv', "one of PD4T's lists")
