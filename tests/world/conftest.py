"""One tiny world for all tests that read what was written."""

import pathlib

import pytest

from vidpetl import world


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
  """Dataset -> folder of a tiny world."""
  out = tmp_path_factory.mktemp('world')
  folders = world.write(out, seed=3, size='tiny', processes=1)
  # Tests look below folders and at line ends, which epath cannot.
  return {name: pathlib.Path(folder) for name, folder in folders.items()}
