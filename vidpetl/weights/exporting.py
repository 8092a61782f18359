"""From our arrays back to a family's names."""

from __future__ import annotations

from collections.abc import Mapping

import einops
import numpy as np

from vidpetl.parameters import variables
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError

Arrays = dict[str, np.ndarray]


def export(
  name: str, arrays: Mapping[str, np.ndarray], *, head: str = ''
) -> tuple[Arrays, report_lib.Report]:
  """Returns a model under a family's names.

  Args:
    name: of the family.
    arrays: under the names of `petl.variables`.
    head: task whose head becomes the family's classifier; '' leaves all out.

  Returns:
    Arrays by the family's names, without its buffers; the report.

  Raises:
    WeightsError: if the model is none of this family's, or the family is only
      read.
  """
  family = family_lib.load(name)
  if family.read_only:
    raise WeightsError(
      f'files of the family {name} are read and not written: {family.read_only}'
    )
  found = {local_name(path, head): array for path, array in arrays.items()}
  report = report_lib.Report(f'exported as {name}')
  wanted = _choose(family, found, head)
  exported = {}
  for each in wanted:
    ours = ', '.join(each.ours)
    parts = {n: found.pop(n) for n in each.ours if n in found}
    if len(parts) < len(each.ours):
      report.add('missing', theirs=each.theirs, ours=ours)
      continue
    shape = next(iter(parts.values())).shape
    try:
      new = each.to_theirs(parts, {})
    except einops.EinopsError as error:
      problem = str(error).strip().split('\n')[-1]
      report.add(
        'wrong', theirs=each.theirs, ours=ours, before=shape, note=problem
      )
      continue
    exported[each.theirs] = new
    status = 'matched' if shape == new.shape else 'reshaped'
    report.add(
      status, theirs=each.theirs, ours=ours, before=shape, after=new.shape
    )
  for path, array in found.items():
    other_head = path.startswith('heads_')
    report.add(
      'left out' if other_head else 'unexpected',
      ours=path,
      before=array.shape,
      note='--head=<task> takes one' if other_head else '',
    )
  if report.wrong:
    raise WeightsError(
      f'{report.short()}\nNothing was written: the model is none of the family '
      f'{name}.'
      + (
        ' Techniques that have no place in it can be merged first (python -m '
        'vidpetl.adapter merge), or stay in their package.'
        if any('/site_' in row.ours for row in report.wrong)
        else ''
      )
    )
  return exported, report


def local_name(path: str, head: str) -> str:
  """Returns the name that rules have; `importing.full_names`' inverse."""
  statistic = 'batch_stats/' if variables.is_statistic(path) else ''
  path = path.removeprefix(statistic)
  if head and path.startswith(f'heads_{head}/'):
    return statistic + path.replace(f'heads_{head}/', 'head/', 1)
  return statistic + path.removeprefix('backbone/')


def _choose(family, found, head) -> list[rules.Rule]:
  """Returns the rules that fit the model best, of whichever backbone."""
  names = {n for n in found if not n.startswith(('heads_', 'head/'))}
  sets = [
    rules.expand(each, names, ours=True)
    for alternatives in family.rules.values()
    for each in alternatives
  ]

  def misfit(each):
    ours = {n for r in each for n in r.ours}
    return len(ours - names) + len(names - ours)

  wanted = min(sets, key=misfit)
  return wanted + (rules.prefixed(family.head, 'head/') if head else [])
