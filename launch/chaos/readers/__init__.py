"""Every way into vidpetl for files: a file for each kind, in `READERS`."""

from __future__ import annotations

import sys

from launch.chaos import bench
from vidpetl import parts


def everything() -> list[bench.Reader]:
  """Returns all readers."""
  package = sys.modules[__name__]
  return [
    reader
    for name in parts.names(package, 'READERS')
    for reader in parts.load(package, name, 'READERS', 'readers').READERS
  ]
