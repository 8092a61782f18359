"""The public datasets as downloaded, without any preparation."""

from __future__ import annotations

import os
from typing import Any

from vidpetl.data import examples, sources
from vidpetl.data.sources.official import (
  ava,
  finediving,
  hmdb51,
  jigsaws,
  kinetics,
  moments_in_time,
  mtl_aqa,
  pd4t,
  something_something_v2,
  ucf101,
)

_MODULES = (
  ava,
  finediving,
  hmdb51,
  jigsaws,
  kinetics,
  moments_in_time,
  mtl_aqa,
  pd4t,
  something_something_v2,
  ucf101,
)
DATASETS = {name: module for module in _MODULES for name in module.DATASETS}


def open(dataset: str, raw: str, split: str, **options: Any) -> examples.Source:
  """Opens a split of a dataset in its official layout.

  The layouts are in the docstrings of `vidpetl.data.sources.official`. Videos
  that are annotated but missing are listed in `info.dropped`; labels never
  depend on them.

  Args:
    dataset: one of `DATASETS`.
    raw: its folder.
    split: 'train' or 'val'.
    **options: of the dataset, e.g. `detections` of AVA, `task` and `fold`
      of JIGSAWS.

  Returns:
    The source.

  Raises:
    ValueError: for an unknown dataset, split or option.
    FileNotFoundError: for a missing annotation file, or if all videos are.
  """
  if dataset not in DATASETS:
    raise ValueError(f'dataset={dataset!r}; there are: {", ".join(DATASETS)}')
  if not os.path.isdir(raw):
    raise FileNotFoundError(f'raw={raw}: no such folder (dataset {dataset!r})')
  arguments = {'dataset': dataset, 'raw': raw, 'split': split, **options}
  function = DATASETS[dataset].open
  sources.check_arguments(function, arguments, f'dataset {dataset!r}')
  return function(**arguments)
