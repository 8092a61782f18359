"""The makers of small files that the tests have."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from etils import epath

_TESTS = epath.Path(__file__).parents[2] / 'tests'


def find(name: str, folder: str = '') -> Any:
  """Returns a module of tests/, or of a folder in it."""
  for path in (_TESTS, _TESTS / folder):
    if str(path) not in sys.path:
      sys.path.append(str(path))
  return importlib.import_module(name)
