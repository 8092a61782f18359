"""From our arrays back to a family's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import einops
import numpy as np

from vidpetl.parameters import variables
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError

Arrays = dict[str, np.ndarray]


def export(
  name: str,
  arrays: Mapping[str, np.ndarray],
  *,
  head: str = '',
  backbone: Mapping[str, Any] | None = None,
  video: Sequence[int] = (),
) -> tuple[Arrays, report_lib.Report]:
  """Returns a model under the names of the class that a family's code has.

  Args:
    name: of the family.
    arrays: under the names of `petl.variables`.
    head: task whose head becomes the family's classifier; '' leaves all out.
    backbone: fields of `config.backbone`, where they are known.
    video: (frames, height, width) of its clips, where they are known.

  Returns:
    Arrays by the class's names, its buffers included; the report.

  Raises:
    WeightsError: if the model is none of this family's, or the family is only
      read.
  """
  family = family_lib.load(name)
  if family.read_only:
    raise WeightsError(
      f'files of the family {name} are read and not written: {family.read_only}'
    )
  _check_head(name, family, arrays, head)
  found = {local_name(path, head): array for path, array in arrays.items()}
  found = family.restore(found, backbone or {})
  report = report_lib.Report(f'exported as {name}')
  exported, axes = {}, _axes(backbone or {}, video)
  for each in _choose(family, found, head, backbone or {}):
    theirs = _whole(family, each.theirs, head)
    ours = ', '.join(each.ours)
    parts = {n: found.pop(n) for n in each.ours if n in found}
    if len(parts) < len(each.ours):
      report.add('missing', theirs=theirs, ours=ours)
      continue
    shape = next(iter(parts.values())).shape
    try:
      new = each.to_theirs(parts, axes)
    except einops.EinopsError as error:
      problem = str(error).strip().split('\n')[-1].strip()
      report.add('wrong', theirs=theirs, ours=ours, before=shape, note=problem)
      continue
    exported[theirs] = new
    status = 'matched' if shape == new.shape else 'reshaped'
    report.add(status, theirs=theirs, ours=ours, before=shape, after=new.shape)
  _leave(found, head, report)
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
  for theirs, buffer in family.buffers(exported, backbone or {}).items():
    exported[theirs] = buffer
    report.add('new', theirs=theirs, after=buffer.shape, note='a buffer')
  return exported, report


def _axes(backbone: Mapping[str, Any], video: Sequence[int]) -> dict[str, int]:
  """Returns the sizes of a grid of tokens, where a tubelet is three sizes."""
  tubelet = backbone.get('tubelet')
  if not video or not isinstance(tubelet, Sequence):
    return {}
  sizes = (size // part for size, part in zip(video, tubelet))
  return dict(zip(('frames', 'rows', 'columns'), sizes))


def takes(family: family_lib.Family, head: str) -> str:
  """Returns how the code of a family takes a file of arrays, in a sentence."""
  if family.takes:
    return family.takes
  if family.partial or (family.head and not head):
    more = 'the rest of the class' if head else 'a classifier among it'
    return (
      'PyTorch: load_state_dict({**model.state_dict(), **arrays}), which is '
      f'strict: what this file has not, {more}, stays '
      "the model's own"
    )
  return 'PyTorch: load_state_dict(arrays), which is strict, takes all of it'


def _check_head(name, family, arrays, head) -> None:
  """Raises WeightsError for a head that is not there, or has no place."""
  tasks = sorted(
    {
      n.split('/')[0].removeprefix('heads_')
      for n in arrays
      if n[:6] == 'heads_'
    }
  )
  if family.alone and not head:
    raise WeightsError(
      f'{name} is of classifiers alone: --head=<task> says whose'
    )
  if not head:
    return
  if head not in tasks:
    there = (
      f'there are those of {", ".join(tasks)}' if tasks else 'there is none'
    )
    raise WeightsError(f'no head of a task {head!r}: {there}')
  if not (family.head or family.alone):
    raise WeightsError(
      f'{name} has no classifier that reads what this one does: leave out '
      f'--head, and take heads_{head} from the run'
    )


def _whole(family, theirs: str, head: str) -> str:
  """Returns a name in the class that has a classifier, if one comes along."""
  prefix, beside = family.whole
  below = head and prefix and not re.search(beside, theirs)
  return prefix + theirs if below else theirs


def _leave(found: Mapping[str, np.ndarray], head: str, report) -> None:
  """Reports what no rule has taken."""
  for path, array in found.items():
    other_head = path.startswith('heads_')
    note = 'its task is another' if head else '--head=<task> takes one'
    report.add(
      'left out' if other_head else 'unexpected',
      ours=path,
      before=array.shape,
      note=note if other_head else '',
    )


def local_name(path: str, head: str) -> str:
  """Returns the name that rules have; `importing.full_names`' inverse."""
  statistic = 'batch_stats/' if variables.is_statistic(path) else ''
  path = path.removeprefix(statistic)
  if head and path.startswith(f'heads_{head}/'):
    return statistic + path.replace(f'heads_{head}/', 'head/', 1)
  return statistic + path.removeprefix('backbone/')


def _choose(family, found, head, backbone) -> list[rules.Rule]:
  """Returns the rules that fit the model best, of whichever backbone.

  Sets that have the same names of ours differ in what their classifier reads.
  """
  other = ('heads_',) if family.alone else ('heads_', 'head/')
  names = {n for n in found if not n.startswith(other)}
  sets = [
    rules.expand(each, names, ours=True)
    for alternatives in family.rules.values()
    for each in alternatives
  ]
  classifier = rules.prefixed(family.head, 'head/') if head else []
  classifier = rules.expand(classifier, found, ours=True)

  def misfit(each):
    ours = {n for r in each for n in r.ours}
    theirs = {r.theirs for r in (*each, *classifier)}
    shown = family.fields(theirs)
    reads = sum(backbone.get(k, v) != v for k, v in shown.items())
    # Without a classifier, what the class of the backbone alone has.
    beside = family.whole[1]
    besides = beside and not head and any(re.search(beside, n) for n in theirs)
    return len(ours - names) + len(names - ours), bool(besides), reads

  return min(sets, key=misfit) + classifier
