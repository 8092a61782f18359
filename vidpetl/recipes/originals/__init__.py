"""Published recipes, one file per group of papers: the folder is the list."""

from __future__ import annotations

import sys

from vidpetl import parts
from vidpetl.recipes import original


def all_originals() -> tuple[original.Original, ...]:
  """Returns the recipes of all papers."""
  here = sys.modules[__name__]
  return tuple(
    each
    for name in parts.names(here, 'ORIGINALS')
    for each in parts.load(here, name, 'ORIGINALS', 'paper').ORIGINALS
  )
