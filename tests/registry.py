"""Packages of the registry, for the real files that they carry."""

import contextlib
import subprocess
import sys
from pathlib import Path


def install(folder: Path, *packages: str) -> Path:
  """Installs packages alone, without what they depend on, into a folder."""
  subprocess.run(
    [
      *(sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps'),
      *('--disable-pip-version-check', '--target', str(folder), *packages),
    ],
    check=True,
  )
  return folder


@contextlib.contextmanager
def importable(folder: Path):
  """Makes what is in a folder importable."""
  sys.path.insert(0, str(folder))
  try:
    yield
  finally:
    sys.path.remove(str(folder))
