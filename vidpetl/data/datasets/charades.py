"""Charades: what people do at home, several actions in each video.

    <raw>/Charades_v1_{train,test}.csv            id,…,actions,length
    <raw>/Charades_v1_classes.txt                 lines `c000 Holding some …`
    <raw>/Charades_v1_480/<id>.mp4                or Charades_v1/; or
    <raw>/Charades_v1_rgb/<id>/<id>-000001.jpg    their frames, 24 a second

The lists may lie in <raw>/Charades or <raw>/annotations, the videos anywhere
below <raw>. 'val' is the test list. A video has the labels of all of its
actions, whenever they happen, which is how it is evaluated; there may be none.
"""

from __future__ import annotations

import re

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data import examples
from vidpetl.data.annotations import text
from vidpetl.data.sources import listed

FPS = 24.0  # of the published frames, in which strides are counted
_NAMES = {'train': 'train', 'val': 'test'}
_FOLDERS = ('Charades_v1_480', 'Charades_v1', 'Charades_v1_rgb')
_CODE = re.compile(r'c(\d+)')


def read_classes(path: str) -> list[str]:
  """Reads `Charades_v1_classes.txt`: lines `c000 Holding some clothes`.

  Returns:
    Class names by index.

  Raises:
    text.AnnotationError: unless the codes are c000 to c<n - 1>, once each.
  """
  expected = "lines 'c000 Holding some clothes', numbered from 0 without a gap"
  classes: dict[int, str] = {}
  for line, content in text.lines(path):
    code, _, name = content.partition(' ')
    number = _number(code)
    if number is None or not name or number in classes:
      raise text.fail(path, line, repr(content), expected)
    classes[number] = name.strip()
  if sorted(classes) != list(range(len(classes))) or not classes:
    raise text.fail(path, None, f'{len(classes)} classes with gaps', expected)
  return [classes[i] for i in range(len(classes))]


def read(path: str, count: int) -> tuple[list[str], list[tuple[int, ...]]]:
  """Reads a list, with the columns id and actions among others.

  Actions are `c092 11.90 21.20;c147 0.00 12.60`: code, start and end in
  seconds; an empty field is a video without any.

  Args:
    path: of the csv.
    count: of classes.

  Returns:
    Ids of the videos and their labels, ascending, each once.

  Raises:
    text.AnnotationError: with file and line.
  """
  ids, labels = [], []
  for line, row in text.read_table(path, ('id', 'actions')):
    if not row['id']:
      raise text.fail(path, line, 'no id', 'one in each row')
    actions = [part for part in row['actions'].split(';') if part.strip()]
    found = {_action(path, line, action, count) for action in actions}
    ids.append(row['id'])
    labels.append(tuple(sorted(found)))
  if not ids:
    raise text.fail(path, None, 'no videos', 'rows below the header')
  return ids, labels


def _action(path: str, line: int, action: str, count: int) -> int:
  """Returns the class of 'c092 11.90 21.20'."""
  code, *times = action.split()
  number = _number(code)
  if number is None or number >= count or len(times) != 2:
    expected = f"'c000 11.90 21.20' with c000 to c{count - 1:03d}"
    raise text.fail(path, line, f'the action {action!r}', expected)
  for name, field in zip(('start', 'end'), times):
    text.number(field, path, line, f'{name} of {code}')
  return number


def _number(code: str) -> int | None:
  match = _CODE.fullmatch(code)
  return int(match[1]) if match else None


def open_split(
  dataset: str, raw: str, split: str, fps: ranges.Positive = FPS
) -> examples.Source:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: 'charades'.
    raw: its folder.
    split: 'train' or 'val'.
    fps: of folders of frames.
  """
  classes = read_classes(_file(raw, 'classes.txt'))
  ids, labels = read(_file(raw, f'{_NAMES[split]}.csv'), len(classes))
  places = [f'{folder}/{{0}}' for folder in _FOLDERS]
  find = listed.finder(raw, places, ids)
  return listed.assemble(
    name=dataset,
    split=split,
    kind=DATASET.kind,
    fps=fps,
    classes=classes,
    clips=[
      listed.Clip(video, found, find(video))
      for video, found in zip(ids, labels)
    ],
    folder=raw,
  )


def _file(raw: str, end: str) -> str:
  name = f'Charades_v1_{end}'
  folders = ('', 'Charades', 'annotations')
  return listed.annotations(raw, folders, [name], f"Charades' {name}")


DATASET = dataset_lib.Dataset(
  name='charades',
  kind='multilabel',
  title='Charades',
  description='Charades: everyday activities at home, several in each video.',
  layout=__doc__,
  citation="""@inproceedings{sigurdsson2016hollywood,
  title={{Hollywood} in Homes: Crowdsourcing Data Collection for Activity
    Understanding},
  author={Sigurdsson, Gunnar A. and Varol, G{\\"u}l and Wang, Xiaolong and
    Farhadi, Ali and Laptev, Ivan and Gupta, Abhinav},
  booktitle={ECCV},
  year={2016}}""",
  licence=(
    'Non-commercial, by the licence of its files '
    '(https://prior.allenai.org/projects/charades).'
  ),
  open=open_split,
  num_classes=157,
  fps=FPS,
  # No label names a side.
  mirrored=True,
)
