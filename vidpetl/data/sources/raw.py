"""The public datasets as downloaded, without any preparation."""

from __future__ import annotations

from typing import Any

from etils import epath

from vidpetl import options as options_lib
from vidpetl.data import datasets, examples


def open(dataset: str, raw: str, split: str, **options: Any) -> examples.Source:
  """Opens a split of a dataset in its official layout.

  The layouts are in the docstrings of `vidpetl.data.datasets`. Videos that are
  annotated but missing are listed in `info.dropped`; labels never depend on
  them.

  Args:
    dataset: a name of one of `vidpetl.data.datasets`.
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
  found = datasets.find(dataset)
  if dataset not in found.names:
    there = ', '.join(found.names)
    raise ValueError(f'dataset={dataset!r} has splits of its own: {there}')
  if found.open is None:
    raise ValueError(
      f"dataset={dataset!r} is TFDS's own; source='tfds_images' opens it"
    )
  if not raw or not epath.Path(raw).is_dir():  # '' would be '.'
    raise FileNotFoundError(f'raw={raw}: no such folder (dataset {dataset!r})')
  options_lib.one_of(dataset, 'split', split, found.splits)
  arguments = {'dataset': dataset, 'raw': raw, 'split': split, **options}
  return options_lib.call(found.open, arguments, f'dataset {dataset!r}')
