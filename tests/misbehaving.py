"""Readers with each fault that a damaged file may show, in processes."""

import functools
import os
import time

from launch.chaos import bench
from vidpetl import options

FILE = 'numbers.txt'
WHOLE = b'1 2 3'


def make(folder):
  (folder / FILE).write_bytes(WHOLE)


def read(fault, folder):
  path = folder / FILE
  if path.read_bytes() == WHOLE:
    return WHOLE
  return _FAULTS[fault](path)


def _refuse(owner):
  options.one_of(str(owner), 'value', 3, (1, 2))


_FAULTS = {
  'refused': _refuse,
  'unnamed': lambda path: _refuse('something'),
  'same': lambda path: WHOLE,
  'other': lambda path: path.read_bytes(),
  'silent': lambda path: path.read_bytes(),
  'traceback': lambda path: {}[path],
  'hang': lambda path: time.sleep(60),
  'memory': lambda path: bytes(4 << 30),
  'crash': lambda path: os._exit(7),
}
READERS = {
  fault: bench.Reader(
    fault,
    make,
    functools.partial(read, fault),
    checked=(FILE,) if fault == 'silent' else (),
    seconds=2.0 if fault == 'hang' else 60.0,
  )
  for fault in _FAULTS
}
