"""Kinetics-400, -600 and -700.

    <raw>/annotations/{train,val}.csv     label,youtube_id,time_start,time_end,…
    <raw>/{train,val}/…/{youtube_id}_{start:06d}_{end:06d}.mp4

`validate.csv`, as some editions call it, will do. Class ids are positions in
the sorted label names of both csv files, so that they do not depend on which
videos are still to be had.
"""

from __future__ import annotations

import os

from vidpetl.data.annotations import kinetics, text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import videos
from vidpetl.data.sources.official import classification

DATASETS = ('kinetics400', 'kinetics600', 'kinetics700')
FPS = 25.0  # to which the public ViViT code resamples Kinetics


def open(dataset: str, raw: str, split: str) -> Classification:
  """Opens a split; see the module's docstring for the layout."""
  classification.check_split(split)
  read = {name: kinetics.read(_csv(raw, name)) for name in ('train', 'val')}
  classes = sorted({label for _, labels in read.values() for label in labels})
  index = {name: i for i, name in enumerate(classes)}
  ids, labels = read[split]
  folder = os.path.join(raw, split)
  files = videos.ByStem(folder)
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=classes,
    ids=ids,
    labels=[index[label] for label in labels],
    find=files.get,
    folder=folder,
  )


def _csv(raw: str, split: str) -> str:
  path = os.path.join(raw, 'annotations', f'{split}.csv')
  other = os.path.join(raw, 'annotations', 'validate.csv')
  if split == 'val' and not os.path.exists(path) and os.path.exists(other):
    return other
  return text.require(path, f'the {split} list of Kinetics')
