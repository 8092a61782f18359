"""Arrays of files that are mapped rather than read.

What is looked at of a map is in memory, and stays there while there is room. So
that a file of any size takes no more than what is looked at just now, those who
look at its arrays one by one let them go again.
"""

from __future__ import annotations

import json
import mmap
import os

import ml_dtypes
import numpy as np

# As safetensors calls the types that numpy has.
DTYPES = {
  'F64': np.float64,
  'F32': np.float32,
  'F16': np.float16,
  'BF16': ml_dtypes.bfloat16,
  'C64': np.complex64,
  'BOOL': np.bool_,
  **{
    f'{kind[0].upper()}{bits}': np.dtype(f'{kind}{bits}').type
    for kind in ('int', 'uint')
    for bits in (8, 16, 32, 64)
  },
}


def safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """Returns the arrays of a safetensors file, which cannot be written to.

  Arrays of types that numpy has not are left out.

  Args:
    path: of a file on a disk whose header is known to be sound.
  """
  whole = np.memmap(path, np.uint8, mode='r')
  start = 8 + int.from_bytes(whole[:8].tobytes(), 'little')
  header = json.loads(whole[8:start].tobytes())
  header.pop('__metadata__', None)
  return {
    name: np.ndarray(
      each['shape'],
      DTYPES[each['dtype']],
      whole,
      start + each['data_offsets'][0],
    )
    for name, each in header.items()
    if each['dtype'] in DTYPES
  }


def release(array: np.ndarray) -> None:
  """Lets what a map has of an array leave memory; the array stays.

  Nothing happens to arrays of no map, and to those that can be written to.
  """
  base = array
  while isinstance(base, np.ndarray) and base.base is not None:
    base = base.base
  if (
    not isinstance(base, mmap.mmap)
    or array.flags.writeable
    or not array.size
    or not hasattr(mmap, 'MADV_DONTNEED')
  ):
    return
  low, high = np.lib.array_utils.byte_bounds(array)
  first = np.frombuffer(base, np.uint8).ctypes.data
  start = (low - first) // mmap.PAGESIZE * mmap.PAGESIZE
  base.madvise(mmap.MADV_DONTNEED, start, high - first - start)
