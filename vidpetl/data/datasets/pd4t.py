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
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import quality, videos

_MOST = 4  # severe; 0 is normal

FPS = 25.0
TASKS = {
  'gait': 'Gait',
  'finger_tapping': 'Finger tapping',
  'hand_movement': 'Hand movement',
  'leg_agility': 'Leg agility',
}


class Video(NamedTuple):
  """One video.

  Attributes:
    sample: e.g. '15-005087_l': a visit, and a side where there is one.
    subject: e.g. '042'.
    score: 0 to 4.
  """

  sample: str
  subject: str
  score: float


def read(path: str) -> list[Video]:
  """Reads a list.

  Args:
    path: a release's `.csv`, with lines `15-005087_l_042,168,3` of sample and
      subject, frames, and score; or a `.list` with lines
      `15-005087_l 3 168 042` of sample, score, frames and subject.

  Raises:
    text.AnnotationError: with file and line.
  """
  rows = _read_csv(path) if path.endswith('.csv') else _read_list(path)
  videos: dict[tuple[str, str], Video] = {}
  for line, sample, subject, score in rows:
    if (subject, sample) in videos:
      problem = f'{sample} of {subject} again'
      raise text.fail(path, line, problem, 'each video once')
    value = text.number(score, path, line, 'score')
    if not 0 <= value <= _MOST:
      raise text.fail(path, line, f'score is {score}', f'0 to {_MOST}')
    videos[subject, sample] = Video(sample, subject, value)
  if not videos:
    raise text.fail(path, None, 'no videos', 'one per line')
  return list(videos.values())


def require_apart(
  paths: tuple[str, str], train: list[Video], test: list[Video]
) -> None:
  """Refuses two lists that share a subject.

  Raises:
    text.AnnotationError: naming them.
  """
  both = {v.subject for v in train} & {v.subject for v in test}
  if both:
    raise text.fail(
      paths[1],
      None,
      f'subjects {", ".join(sorted(both))} are in {paths[0]} as well',
      'splits by subject; shared_subjects=True takes the lists as they are',
    )


def _read_csv(path: str) -> Iterator[tuple[int, str, str, str]]:
  expected = '<sample>_<subject>,frames,score'
  for lines, block in text.read_rows(path, (3,), expected):
    for line, (name, _, score) in zip(lines, block):
      sample, _, subject = name.rpartition('_')
      if not sample or not subject:
        raise text.fail(path, line, repr(name), expected)
      yield line, sample, subject, score


def _read_list(path: str) -> Iterator[tuple[int, str, str, str]]:
  for line, content in text.lines(path):
    fields = content.split()
    if len(fields) != 4:
      problem = f'{len(fields)} columns'
      raise text.fail(path, line, problem, 'sample score frames subject')
    yield line, fields[0], fields[3], fields[1]


def open_split(
  dataset: str,
  raw: str,
  split: str,
  task: Annotated[str, ranges.OneOf(TASKS)],
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
  lists = tuple(_path(raw, TASKS[task], name) for name in ('train', 'test'))
  found = [read(path) for path in lists]
  if not shared_subjects:
    require_apart(lists, *found)
  clips = videos.Places(
    *(epath.Path(raw) / kind / TASKS[task] for kind in ('Videos', 'Frames'))
  )
  samples = {f'{v.subject}/{v.sample}': v for v in found[split == 'val']}
  return quality.assemble(
    name=f'{dataset}_{task}',
    split=split,
    fps=FPS,
    performances=[
      Performance(id=name, score=video.score, action=task)
      for name, video in samples.items()
    ],
    places=[clips.get(name) or quality.missing(name, raw) for name in samples],
    folder=raw,
  )


def _path(raw: str, task: str, name: str) -> str:
  folder = epath.Path(raw) / 'Annotations' / task
  path, other = folder / f'{name}.csv', folder / f'{name}.list'
  if other.is_file() and not path.is_file():
    return os.fspath(other)
  return text.require(path, "one of PD4T's lists")


DATASET = dataset_lib.Dataset(
  name='pd4t',
  variants={'task': tuple(TASKS)},
  kind='quality',
  title='PD4T',
  description='PD4T: motor tasks of patients with their UPDRS scores.',
  layout=__doc__,
  citation="""@inproceedings{dadashzadeh2024pecop,
  title={{PECoP}: Parameter Efficient Continual Pretraining for Action Quality
    Assessment},
  author={Dadashzadeh, Amirhossein and Duan, Shuchao and Whone, Alan and
    Mirmehdi, Majid},
  booktitle={WACV},
  year={2024}}""",
  licence='On request; see https://github.com/Plrbear/PECoP.',
  open=open_split,
  fps=FPS,
  demo_classes=0,
)
