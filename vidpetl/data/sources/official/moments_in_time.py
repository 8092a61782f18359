"""Moments in Time.

<raw>/moments_categories.txt                 class,index
<raw>/{trainingSet,validationSet}.csv        class/file.mp4,class,…
<raw>/{training,validation}/class/file.mp4
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import moments_in_time, text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import videos
from vidpetl.data.sources.official import classification

DATASETS = ('moments_in_time',)
_NAMES = {'train': 'training', 'val': 'validation'}


def open(dataset: str, raw: str, split: str) -> Classification:
  """Opens a split; see the module's docstring for the layout."""
  name = _NAMES[classification.check_split(split)]
  categories = moments_in_time.read_categories(
    text.require(
      os.path.join(raw, 'moments_categories.txt'), 'the list of classes'
    )
  )
  ids, labels = moments_in_time.read(
    text.require(
      os.path.join(raw, f'{name}Set.csv'), f'the list of {split} videos'
    ),
    categories,
  )
  folder = os.path.join(raw, name)
  files = set(videos.walk(folder))
  return classification.assemble(
    name=dataset,
    split=split,
    fps=None,
    classes=categories,
    ids=ids,
    labels=labels,
    find=lambda path: os.path.join(folder, path) if path in files else None,
    folder=folder,
  )
