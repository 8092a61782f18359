"""One tiny world for all tests that read what was written."""

import pytest

from vidpetl import world


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
  """Dataset -> folder of a tiny world."""
  out = tmp_path_factory.mktemp('world')
  return world.write(out, seed=3, size='tiny', processes=1)
