"""Diving48, version 2: dives told apart by how they are done.

    <raw>/Diving48_V2_{train,test}.json    vid_name, label, start_frame, …
    <raw>/Diving48_vocab.json              the four words of each class
    <raw>/rgb/<vid_name>.mp4               or anywhere else below <raw>

The json files may lie in <raw>/annotations. 'val' is the test list. A file is
one dive as a whole; its start_frame and end_frame are its own first and last.
"""

from __future__ import annotations

from typing import Any

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

_NAMES = {'train': 'train', 'val': 'test'}


def read_classes(path: str) -> list[str]:
  """Reads `Diving48_vocab.json`: [['Back', '15som', '05Twis', 'FREE'], ...].

  Returns:
    Class names by index: take-off, somersaults, twists and position.

  Raises:
    text.AnnotationError: with the entry's number.
  """
  expected = 'a list of classes, each a list of words'
  names = []
  for i, words in enumerate(text.read_json(path, list, expected)):
    strings = isinstance(words, list) and all(isinstance(w, str) for w in words)
    if not strings or not words:
      raise text.fail(f'{path}[{i}]', None, repr(words), expected)
    names.append(' '.join(words))
  if not names or len(set(names)) < len(names):
    raise text.fail(path, None, f'{len(names)} classes', 'each class once')
  return names


def read(path: str, count: int) -> tuple[list[str], list[int]]:
  """Reads a list: [{'vid_name': '8Vy3dlHg2w_00000', 'label': 12, ...}, ...].

  Args:
    path: of the json.
    count: of classes.

  Returns:
    Names of the videos without suffix, and labels.

  Raises:
    text.AnnotationError: with the entry's number.
  """
  expected = f'a list of {{"vid_name": ..., "label": 0 to {count - 1}, ...}}'
  names, labels = [], []
  for i, entry in enumerate(text.read_json(path, list, expected)):
    if not _is_entry(entry, count):
      raise text.fail(f'{path}[{i}]', None, repr(entry), expected)
    names.append(entry['vid_name'])
    labels.append(entry['label'])
  if not names:
    raise text.fail(path, None, 'no videos', expected)
  return names, labels


def _is_entry(entry: Any, count: int) -> bool:
  if not isinstance(entry, dict):
    return False
  name, label = entry.get('vid_name'), entry.get('label')
  return isinstance(name, str) and type(label) is int and 0 <= label < count


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
  classes = read_classes(_json(raw, 'vocab'))
  ids, labels = read(_json(raw, f'V2_{_NAMES[split]}'), len(classes))
  return classification.assemble(
    name=dataset,
    split=split,
    fps=None,
    classes=classes,
    ids=ids,
    labels=labels,
    find=videos.Finder(raw).get,
    folder=raw,
    frame_rate=fps,
  )


def _json(raw: str, name: str) -> str:
  file = f'Diving48_{name}.json'
  here = epath.Path(raw) / file
  below = epath.Path(raw) / 'annotations' / file
  path = below if below.is_file() else here
  return text.require(path, "one of Diving48's lists")


DATASET = dataset_lib.Dataset(
  name='diving48',
  kind='classification',
  title='Diving48',
  description='Diving48: dives by take-off, somersaults, twists and position.',
  layout=__doc__,
  citation="""@inproceedings{li2018resound,
  title={{RESOUND}: Towards Action Recognition without Representation Bias},
  author={Li, Yingwei and Li, Yi and Vasconcelos, Nuno},
  booktitle={ECCV},
  year={2018}}""",
  licence=(
    'Not stated in its files; see '
    'http://www.svcl.ucsd.edu/projects/resound/dataset.html.'
  ),
  open=open_split,
  num_classes=48,
  # A label counts somersaults and twists and does not say to which side, so a
  # mirrored dive is one of the same class.
  mirrored=True,
)
