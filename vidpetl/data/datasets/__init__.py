"""The public datasets: a file each, and the files are the list.

A file reads its dataset's official annotations and ends in `DATASET`, a record
of all that is known of it, or in `DATASETS` where several share their files.
Nothing here needs TensorFlow or JAX.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping

from vidpetl import parts
from vidpetl.data import dataset as dataset_lib


@functools.cache
def _listing() -> Mapping[str, dataset_lib.Dataset]:
  """Returns the datasets by their own names and by those that open them."""
  package = sys.modules[__name__]
  found = [
    one
    for contract in ('DATASET', 'DATASETS')
    for name in parts.names(package, contract)
    for one in _records(parts.load(package, name, contract, 'dataset'))
  ]
  found.sort(key=lambda one: one.name)
  listing = {name: one for one in found for name in one.names}
  return listing | {one.name: one for one in found}


def _records(module) -> tuple[dataset_lib.Dataset, ...]:
  if hasattr(module, 'DATASETS'):
    return module.DATASETS
  return (module.DATASET,)


def names() -> tuple[str, ...]:
  """Returns the names of all datasets, sorted."""
  return tuple(sorted({one.name for one in _listing().values()}))


def find(name: str, where: str = 'dataset') -> dataset_lib.Dataset:
  """Returns a dataset by its name, or by one that opens it.

  Args:
    name: e.g. 'hmdb51' or 'hmdb51_1'.
    where: who asks, in the error.

  Raises:
    ValueError: if there is none of this name, with those there are.
  """
  listing = _listing()
  if not isinstance(name, str) or name not in listing:
    raise ValueError(f'{where}={name!r}; there are: {", ".join(names())}')
  return listing[name]
