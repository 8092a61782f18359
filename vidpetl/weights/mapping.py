"""From a net's arrays, by its family's names, to ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import einops
import ml_dtypes
import numpy as np

from vidpetl.parameters import mapped
from vidpetl.weights import attentive, rules, transformers
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.finder import Net
from vidpetl.weights.tree import Leaf, Unread

Arrays = dict[str, np.ndarray]

_HALF = (np.float16, ml_dtypes.bfloat16)
_FLOATS = (*_HALF, np.float32, np.float64)


def to_ours(
  family: family_lib.Family,
  net: Net,
  found: Mapping[str, Leaf],
  report: report_lib.Report,
  *,
  head: bool = False,
  allow: Sequence[str] = (),
  told: Mapping[str, Any] | None = None,
  values: bool = True,
) -> Arrays:
  """Returns arrays by our names, and reports what becomes of each of theirs.

  Args:
    family: of the net.
    net: that the arrays are of.
    found: arrays by the family's names.
    report: gets a row for each; see its `wrong`.
    head: whether the classifier is wanted.
    allow: regexes of their names that may be missing or unexpected.
    told: what no array shows, heads if the family splits them; see
      `settings`.
    values: whether numbers are looked at, and not shapes alone.

  Raises:
    WeightsError: if it is another net of the same names, or if numbers are not
      those of floating point.
  """
  family.check({name: leaf.shape for name, leaf in found.items()})
  classifier = rules.expand(rules.prefixed(family.head, 'head/'), found)
  wanted = [*net.wanted, *(classifier if head else ())]
  theirs = {each.theirs for each in wanted}
  _refuse_types({n: leaf for n, leaf in found.items() if n in theirs})
  shapes = {n: found[n].shape for n in theirs & found.keys()}
  axes = dict(family.axes(shapes))
  axes['g'] = (told or {}).get('probe_heads', attentive.HEADS)
  if family.heads and net.splits_heads:
    width = (family.width or transformers.width_of)(shapes)
    heads = (told or {})['heads']
    axes |= {'c': transformers.head_width(width, heads), 'heads': heads}
  arrays = {}
  for each in wanted:
    ours = ', '.join(each.ours)
    if each.theirs in found:
      arrays |= _one(each, found[each.theirs], axes, values, report)
    else:
      status = 'new' if _named(each.theirs, allow) else 'missing'
      report.add(status, theirs=each.theirs, ours=ours)
  left = {n: leaf.shape for n, leaf in found.items() if n not in theirs}
  optional = {each.theirs for each in classifier}
  _leave_out(family, left, optional, report, allow)
  return arrays


def _refuse_types(found: Mapping[str, Leaf]) -> None:
  other = {
    name: str(leaf.dtype)
    for name, leaf in found.items()
    if isinstance(leaf, Unread) or leaf.dtype not in _FLOATS
  }
  if other:
    name = next(iter(other))
    raise WeightsError(
      f'{len(other)} of its arrays, such as {name}, are of the type '
      f'{other[name]}, as quantised weights are; take them as float32, float16 '
      'or bfloat16, as the model had them before, or as its library '
      'dequantises them'
    )


def _one(each, array, axes, values, report) -> Arrays:
  """Returns one of their arrays as ours, {} if it is wrong."""
  row = {'theirs': each.theirs, 'ours': ', '.join(each.ours)}
  row['before'] = array.shape
  read, (array, note) = array, _as_floats(array)
  problem = _problem(each, array) if values else ''
  mapped.release(read)
  new = {}
  try:
    new = each.to_ours(array, axes)
  except einops.EinopsError as error:
    problem = str(error).strip().split('\n')[-1].strip()
  if problem:
    report.add('wrong', **row, note=problem)
    return {}
  after = next(iter(new.values())).shape
  status = 'matched' if after == array.shape else 'reshaped'
  report.add(status, **row, after=after, note=note)
  return new


def _problem(each: rules.Rule, array: np.ndarray) -> str:
  """Returns what is wrong with numbers, '' if nothing is."""
  if not np.isfinite(array).all():
    return 'not all of it is finite'
  is_variance = re.fullmatch('batch_stats/.*/var', each.ours[0])
  if is_variance and (array < 0).any():
    return 'a variance below zero: the file is damaged'
  return ''


def _as_floats(array: np.ndarray) -> tuple[np.ndarray, str]:
  if array.dtype in _HALF:
    return array, f'{array.dtype}, as it is'
  if array.dtype != np.float32:
    return array.astype(np.float32), f'{array.dtype} to float32'
  return array, ''


def _leave_out(
  family: family_lib.Family,
  left: Mapping[str, tuple[int, ...]],
  optional: Collection[str],
  report: report_lib.Report,
  allow: Sequence[str],
) -> None:
  """Reports what no rule has taken."""
  for name, shape in left.items():
    reasons = [why for p, why in family.left_out.items() if re.search(p, name)]
    if name in optional:
      reasons = ['the classifier; --head=<task> takes it']
    if not reasons and _named(name, allow):
      reasons = ['as --allow says']
    report.add(
      'left out' if reasons else 'unexpected',
      theirs=name,
      before=shape,
      note=reasons[0] if reasons else '',
    )


def _named(name: str, allow: Sequence[str]) -> bool:
  return any(re.search(pattern, name) for pattern in allow)
