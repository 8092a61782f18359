"""Which families a file's arrays fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.weights import family as family_lib
from vidpetl.weights import finder, mapping
from vidpetl.weights import report as report_lib
from vidpetl.weights.tree import Unread

_NEAR = 0.8  # Share of a family's names that makes a file look like it.


@dataclasses.dataclass(frozen=True)
class Match:
  """A family and a file.

  Attributes:
    family: its name.
    net: its arrays in the file.
    rows: what would become of each of them.
    problem: why they are not of the family, '' if they are.
  """

  family: str
  net: finder.Net
  rows: tuple[report_lib.Row, ...]
  problem: str

  @property
  def left_over(self) -> list[str]:
    """Names that the family does not know."""
    return [row.theirs for row in self.rows if row.status == 'unexpected']

  @property
  def rank(self) -> tuple[bool, float, int]:
    """The lower, the better."""
    return bool(self.problem), -self.net.share, len(self.left_over)


def rank(leaves: Mapping[str, Any], entry: str = '') -> list[Match]:
  """Returns the families that have something of a file, the best first.

  Shapes and names are tried, and no number is looked at.

  Args:
    leaves: of the file; see `tree.leaves`.
    entry: the part of it to look into, '' for all.
  """
  shapes = {name: _empty(leaf) for name, leaf in leaves.items()}
  names = finder.bare(leaves, entry)
  found = []
  for name in family_lib.names():
    family = family_lib.load(name)
    for net in finder.nets(names, family):
      if net.share >= finder.LEAST:
        found.append(_match(name, family, net, shapes))
  return sorted(found, key=lambda match: match.rank)


def _empty(leaf: Any) -> Any:
  """Returns an array of a shape and type that has no memory."""
  if isinstance(leaf, np.ndarray):
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
  return leaf if not isinstance(leaf, Unread) else _empty(np.zeros(leaf.shape))


def _match(name, family, net, shapes) -> Match:
  report = report_lib.Report(name)
  try:
    ours = mapping.to_ours(
      family,
      net,
      finder.arrays(shapes, net),
      report,
      told={'heads': 1},  # Which does not show in the shapes.
      values=False,
    )
    wrong = [row for row in report.wrong if row.status != 'unexpected']
    problem = (
      f'{len(wrong)} missing or wrong: {wrong[0].theirs}' if wrong else ''
    )
    if not problem:
      family.layout({k: v.shape for k, v in ours.items()}, net.target)
  except Exception as error:  # Whatever an unforeseen shape may raise.
    problem = str(error)
  return Match(name, net, tuple(report.rows), problem)


def likely(leaves: Mapping[str, Any], entry: str, name: str) -> str:
  """Returns a sentence with the families that a file is of, '' if it is `name`.

  Args:
    leaves: of the file.
    entry: the part of it that was asked for.
    name: of the family that it was said to be of.
  """
  matches = rank(leaves, entry)
  fitting = [match for match in matches if not match.problem]
  near = [match for match in matches if match.net.share > _NEAR]
  better = list(dict.fromkeys(match.family for match in fitting or near))
  if not better or name in better:
    return ''
  return f' It looks like {" or ".join(better)}.'
