"""HMDB51, by its three splits: `hmdb51_1`, `hmdb51_2` and `hmdb51_3`.

    <raw>/testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt
    <raw>/…/<class>/<file>.avi                   unpacked, anywhere below <raw>

Class ids are positions in the sorted names; 'val' is the test list.
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import hmdb51
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import videos
from vidpetl.data.sources.official import classification

DATASETS = ('hmdb51_1', 'hmdb51_2', 'hmdb51_3')
FPS = 30.0


def open(dataset: str, raw: str, split: str) -> Classification:
  """Opens a split; see the module's docstring for the layout."""
  classification.check_split(split)
  fold = int(dataset[-1])
  folder = os.path.join(raw, 'testTrainMulti_7030_splits')
  classes = hmdb51.classes(folder, fold)
  ids, labels = [], []
  for label, name in enumerate(classes):
    for file in hmdb51.read(folder, fold, name, split):
      ids.append(f'{name}/{file}')
      labels.append(label)
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
