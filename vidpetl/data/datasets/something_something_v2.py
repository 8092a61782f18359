"""Something-Something V2.

<raw>/labels/{train,validation,labels}.json   or, as in older downloads,
<raw>/something-something-v2-{train,validation,labels}.json
<raw>/20bn-something-something-v2/{id}.webm
"""

from __future__ import annotations

import os

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

FPS = 12.0  # of the published webm files
_NAMES = {'train': 'train', 'val': 'validation'}


def read_labels(path: str) -> list[str]:
  """Reads `labels.json`: {'Closing something': '0', ...}.

  Returns:
    Template names by index.

  Raises:
    text.AnnotationError: unless the indices are 0..n-1, once each.
  """
  expected = '{template: index} with the indices 0..n-1 once each'
  labels = text.read_json(path, dict, expected)
  names: dict[int, str] = {}
  for name, index in labels.items():
    if not str(index).isdigit() or int(index) in names:
      raise text.fail(path, None, f'{name!r}: {index!r}', expected)
    names[int(index)] = name
  if sorted(names) != list(range(len(names))) or not names:
    raise text.fail(path, None, f'{len(names)} indices with gaps', expected)
  return [names[i] for i in range(len(names))]


def read(path: str, templates: list[str]) -> tuple[list[str], list[int]]:
  """Reads a split: [{'id': '78687', 'template': 'Holding [something]'}, ...].

  The template without its brackets is the name in `labels.json`.

  Args:
    path: of the json.
    templates: names by index.

  Returns:
    Video ids and labels.

  Raises:
    text.AnnotationError: with the entry's number, e.g. for an unknown template.
  """
  index = {name: i for i, name in enumerate(templates)}
  expected = 'a list of {"id": ..., "template": ...}'
  ids, labels = [], []
  for i, entry in enumerate(text.read_json(path, list, expected)):
    if not isinstance(entry, dict) or not {'id', 'template'} <= entry.keys():
      raise text.fail(f'{path}[{i}]', None, repr(entry), expected)
    name = entry['template'].replace('[', '').replace(']', '')
    if name not in index:
      problem = f'template {name!r} is not in the labels'
      raise text.fail(f'{path}[{i}]', None, problem, 'one of labels.json')
    ids.append(str(entry['id']))
    labels.append(index[name])
  if not ids:
    raise text.fail(path, None, 'no videos', expected)
  return ids, labels


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
  name = _NAMES[split]
  templates = read_labels(_json(raw, 'labels'))
  ids, labels = read(_json(raw, name), templates)
  folder = os.fspath(epath.Path(raw) / '20bn-something-something-v2')
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=templates,
    ids=ids,
    labels=labels,
    find=videos.Finder(folder).get,
    folder=folder,
    frame_rate=fps,
  )


def _json(raw: str, name: str) -> str:
  old = epath.Path(raw) / f'something-something-v2-{name}.json'
  if old.exists():
    return os.fspath(old)
  path = epath.Path(raw) / 'labels' / f'{name}.json'
  return text.require(path, f'the {name} file of SSv2 (or {old})')


DATASET = dataset_lib.Dataset(
  name='something_something_v2',
  kind='classification',
  title='Something-Something V2',
  description='Something-Something V2: short clips of hands and objects.',
  layout=__doc__,
  citation="""@inproceedings{goyal2017something,
  title={The "Something Something" Video Database for Learning and Evaluating
    Visual Common Sense},
  author={Goyal, Raghav and others},
  booktitle={ICCV},
  year={2017}}""",
  licence=(
    'By agreement, for research; it is accepted before the download '
    '(https://www.qualcomm.com/developer/software/'
    'something-something-v-2-dataset).'
  ),
  open=open_split,
  num_classes=174,
  fps=FPS,
  # Labels tell left from right: 'Pushing something from left to right'.
  mirrored=False,
  demo_classes=8,
)
