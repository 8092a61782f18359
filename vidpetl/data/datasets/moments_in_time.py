"""Moments in Time.

<raw>/moments_categories.txt                 class,index
<raw>/{trainingSet,validationSet}.csv        class/file.mp4,class,…
<raw>/{training,validation}/class/file.mp4
"""

from __future__ import annotations

import os

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

_NAMES = {'train': 'training', 'val': 'validation'}


def read_categories(path: str) -> list[str]:
  """Reads `moments_categories.txt`: lines `class,index`.

  Returns:
    Class names by index.

  Raises:
    text.AnnotationError: unless the indices are 0..n-1, once each.
  """
  expected = 'class,index with the indices 0..n-1 once each'
  names: dict[int, str] = {}
  for lines, block in text.read_rows(path, (2,), expected):
    for line, (name, index) in zip(lines, block):
      if not index.strip().isdigit() or int(index) in names:
        raise text.fail(path, line, f'index {index!r}', expected)
      names[int(index)] = name
  if sorted(names) != list(range(len(names))) or not names:
    raise text.fail(path, None, f'{len(names)} indices with gaps', expected)
  return [names[i] for i in range(len(names))]


def read(path: str, categories: list[str]) -> tuple[list[str], list[int]]:
  """Reads a split: rows `class/file.mp4,class,...`, no header.

  Args:
    path: of the csv.
    categories: class names by index.

  Returns:
    Video paths below the split's folder, and labels.

  Raises:
    text.AnnotationError: with file and line, e.g. for an unknown class.
  """
  index = {name: i for i, name in enumerate(categories)}
  expected = 'class/file.mp4,class and possibly two counts of votes'
  files, labels = [], []
  for lines, block in text.read_rows(path, (2, 3, 4), expected):
    for line, row in zip(lines, block):
      if row[1] not in index:
        problem = f'class {row[1]!r} is not in moments_categories.txt'
        raise text.fail(path, line, problem, 'one of its names')
      files.append(row[0])
      labels.append(index[row[1]])
  if not files:
    raise text.fail(path, None, 'no videos', expected)
  return files, labels


def open_split(
  dataset: str, raw: str, split: str, fps: ranges.Positive | None = None
) -> Classification:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: its name.
    raw: folder.
    split: 'train' or 'val'.
    fps: of folders of frames, where videos were taken apart.
  """
  name, raw = _NAMES[split], epath.Path(raw)
  categories = read_categories(
    text.require(raw / 'moments_categories.txt', 'the list of classes')
  )
  ids, labels = read(
    text.require(raw / f'{name}Set.csv', f'the list of {split} videos'),
    categories,
  )
  folder = os.fspath(raw / name)
  return classification.assemble(
    name=dataset,
    split=split,
    fps=None,  # they come at many; published strides count 25
    classes=categories,
    ids=ids,
    labels=labels,
    find=videos.Places(folder).get,
    folder=folder,
    frame_rate=fps,
  )


DATASET = dataset_lib.Dataset(
  name='moments_in_time',
  kind='classification',
  title='Moments in Time',
  description='Moments in Time: three-second clips of events.',
  layout=__doc__,
  citation="""@article{monfort2019moments,
  title={{Moments in Time} Dataset: One Million Videos for Event
    Understanding},
  author={Monfort, Mathew and others},
  journal={IEEE TPAMI},
  year={2019}}""",
  licence='Not stated in its files; see http://moments.csail.mit.edu.',
  open=open_split,
  num_classes=339,
  fps=25.0,
  demo_classes=8,
)
