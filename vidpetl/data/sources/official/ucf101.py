"""UCF101, by its three splits: `ucf101_1`, `ucf101_2` and `ucf101_3`.

    <raw>/ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.txt
    <raw>/…/<Class>/<file>.avi                   unpacked, anywhere below <raw>

'val' is the test list.
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import text, ucf101
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import videos
from vidpetl.data.sources.official import classification

DATASETS = ('ucf101_1', 'ucf101_2', 'ucf101_3')
FPS = 25.0
_NAMES = {'train': 'train', 'val': 'test'}


def open(dataset: str, raw: str, split: str) -> Classification:
  """Opens a split; see the module's docstring for the layout."""
  name = f'{_NAMES[classification.check_split(split)]}list0{dataset[-1]}.txt'
  classes = ucf101.read_classes(_list(raw, 'classInd.txt'))
  ids, labels = ucf101.read(_list(raw, name), classes)
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=classes,
    ids=ids,
    labels=labels,
    find=videos.ByClass(raw).get,
    folder=raw,
  )


def _list(raw: str, name: str) -> str:
  path = os.path.join(raw, 'ucfTrainTestlist', name)
  return text.require(path, f"UCF101's {name}")
