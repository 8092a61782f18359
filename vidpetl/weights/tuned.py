"""Rules of what techniques add to a backbone, in the names of their codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl.weights import rules
from vidpetl.weights.family import Shapes

Entry = Mapping[str, Any]


def bottleneck(theirs: str, ours: str, names: tuple[str, str]) -> list:
  """Rules of a bottleneck of two linear layers.

  Args:
    theirs: name of the module.
    ours: path of the technique.
    names: of the layers down and up.
  """
  down, up = names
  return [
    *rules.dense(f'{theirs}.{down}', f'{ours}/down'),
    *rules.dense(f'{theirs}.{up}', f'{ours}/up'),
  ]


def width(shapes: Shapes, ending: str) -> int:
  """Returns how wide the bottlenecks at a site are."""
  return next(s[-1] for n, s in shapes.items() if n.endswith(ending))
