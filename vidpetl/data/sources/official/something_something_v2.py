"""Something-Something V2.

<raw>/labels/{train,validation,labels}.json   or, as in older downloads,
<raw>/something-something-v2-{train,validation,labels}.json
<raw>/20bn-something-something-v2/{id}.webm
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import something_something_v2, text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import videos
from vidpetl.data.sources.official import classification

DATASETS = ('something_something_v2',)
FPS = 12.0  # of the published webm files
_NAMES = {'train': 'train', 'val': 'validation'}


def open(dataset: str, raw: str, split: str) -> Classification:
  """Opens a split; see the module's docstring for the layout."""
  name = _NAMES[classification.check_split(split)]
  templates = something_something_v2.read_labels(_json(raw, 'labels'))
  ids, labels = something_something_v2.read(_json(raw, name), templates)
  folder = os.path.join(raw, '20bn-something-something-v2')
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=templates,
    ids=ids,
    labels=labels,
    find=videos.ByStem(folder).get,
    folder=folder,
  )


def _json(raw: str, name: str) -> str:
  old = os.path.join(raw, f'something-something-v2-{name}.json')
  if os.path.exists(old):
    return old
  path = os.path.join(raw, 'labels', f'{name}.json')
  return text.require(path, f'the {name} file of SSv2 (or {old})')
