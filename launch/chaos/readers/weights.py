"""Weights of others, in every format."""

from __future__ import annotations

import functools

import numpy as np
from etils import epath

from launch.chaos import bench, makers
from vidpetl.weights import files, importing, tree

_NAME = 'weights'
# Format -> what has a checksum in it, and the package that writes it.
_FORMATS = {
  'safetensors': (False, ''),
  'npz': (True, ''),
  'msgpack': (False, ''),
  'zip': (True, 'torch'),
  'old': (False, 'torch'),
  'torchscript': (True, 'torch'),
}


def _make(kind: str, folder: epath.Path) -> None:
  tests = makers.find('files_test', 'weights')
  path = folder / _NAME
  if kind == 'safetensors':
    tests.safetensors.numpy.save_file(tests.ARRAYS, str(path))
  elif kind == 'npz':
    with path.open('wb') as file:
      np.savez(file, **tests.ARRAYS)
  else:
    getattr(tests, f'save_{kind}')(tests.ARRAYS, path)


def _read(folder: epath.Path):
  return tree.leaves(files.read(str(folder / _NAME)))


def _make_family(folder: epath.Path) -> None:
  small = makers.find('small', 'weights')
  small.save(small.mae(), folder / _NAME)


def _read_family(folder: epath.Path):
  read = importing.load('mae', str(folder / _NAME), settings={'heads': 1})
  return read.arrays


READERS = (
  *(
    bench.Reader(
      f'weights, {kind}',
      functools.partial(_make, kind),
      _read,
      checked=(_NAME,) if checked else (),
      needs=needs,
    )
    for kind, (checked, needs) in _FORMATS.items()
  ),
  bench.Reader('weights, of a family', _make_family, _read_family),
)
