"""Asking for what no array of a file shows, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl.weights import family as family_lib
from vidpetl.weights import finder, settings, transformers
from vidpetl.weights import report as report_lib
from vidpetl.weights.errors import UnsaidError
from vidpetl.weights.tree import Leaf


def answered(
  family: family_lib.Family,
  net: finder.Net,
  found: Mapping[str, Leaf],
  told: Mapping[str, Any],
  expected: Mapping[str, Any],
  head: bool,
  report: report_lib.Report,
) -> tuple[dict[str, Any], UnsaidError | None]:
  """Returns what is told, with all that a file of the family leaves open.

  Whether a file is right can be told without that, and comes first. So what
  nobody says is an error to raise later, and one head stands in until then.

  Args:
    family: of the file.
    net: that was found in it.
    found: its arrays, by the family's names.
    told: settings; see `settings`.
    expected: fields of the backbone that the arrays are to be for, {} if that
      is not known.
    head: whether the classifier comes along.
    report: is told what the family's own code says.

  Returns:
    The settings; the error with the flags that say the others, None if there
    are none.
  """
  shapes = {name: leaf.shape for name, leaf in found.items()}
  told = {**_coded(family, shapes, told, report), **told}
  by_name = family.fields(set(net.names.values()))
  split = bool(family.heads) and net.splits_heads
  asked = [
    each
    for each in family.unshown
    if each.default(head) is settings.ASK
    and not each.where
    and each.field not in by_name
  ]
  names = [*(['heads'] if split else []), *(each.field for each in asked)]
  told = {**{n: expected[n] for n in names if expected.get(n)}, **told}
  missing = [name for name in names if not told.get(name)]
  if not missing:
    return told, None
  own = {each.theirs for each in net.wanted}  # Beside it may be a decoder.
  shapes = {name: shape for name, shape in shapes.items() if name in own}
  width_of = family.width or transformers.width_of
  width = width_of(shapes) if split else 0
  flags = [each.asked() for each in asked if each.field in missing]
  if 'heads' in missing:
    flags.insert(0, _heads(width, family.heads))
  error = UnsaidError(
    f'no array shows {" and ".join(missing)}, and no config.json beside it '
    f'does: {"; ".join(flags)}',
    width,
  )
  return {'heads': 1, **told}, error


def _coded(family, shapes, told, report) -> dict[str, Any]:
  """Returns settings that the family's own code computes, and nobody told."""
  coded = {k: v for k, v in family.coded(shapes).items() if k not in told}
  if coded:
    said = ', '.join(f'{name}={value!r}' for name, value in coded.items())
    report.notes.append(
      f'no array shows {said}: so the code of {family.source} computes it'
    )
  return coded


def _heads(width: int, published: Mapping[int, int]) -> str:
  if width not in published:
    return f'--set heads=… (no ViT of {width} channels is published)'
  heads = published[width]
  return f'--set heads={heads} (as published ViTs of {width} channels have)'
