"""What is in a file of weights, for people."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.weights import files, finder, ranking, strangers, tree

_ARRAYS = 40  # Lines of arrays that are shown.
_NUMBER = re.compile(r'\d+')


def describe(path: str, entry: str = '') -> str:
  """Returns what is in a file, and which families fit it, in a page.

  Args:
    path: of a file or folder; see `files.read`.
    entry: 'a/b' of the part to look into, '' for all.

  Raises:
    WeightsError: if it cannot be read, or there is no such part.
  """
  leaves = tree.leaves(files.read(path))
  names = finder.bare(leaves, entry)
  fitting = strangers.known(names)
  if not fitting:
    families = _families(ranking.rank(leaves, entry))
    fitting = '\n'.join(families) or 'no family fits it'
  lines = [
    f'{path}: {files.kind(path)}, {_total([leaves[n] for n in names])}',
    *_beside(leaves, names),
    '',
    fitting,
    '',
    *_table(names, leaves),
  ]
  return '\n'.join(lines)


def _total(arrays: Sequence[Any]) -> str:
  count = sum(int(np.prod(a.shape)) for a in arrays)
  types = collections.Counter(str(a.dtype) for a in arrays)
  return f'{len(arrays)} arrays of {count:,} numbers ({", ".join(types)})'


def _beside(leaves: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
  """Returns a line for what is no array, or outside of the part looked into."""
  others = dict.fromkeys(n.split('/')[0] for n in leaves if n not in names)
  return [f'beside them: {", ".join(others)}'] if others else []


def _families(matches: Sequence[ranking.Match]) -> list[str]:
  """Returns a line for each family that fits, or almost does."""
  fitting = [match for match in matches if not match.problem]
  return [
    f'--from={match.family:<16} {_fit(match)}'
    for match in fitting or matches[:3]
  ]


def _fit(match: ranking.Match) -> str:
  """Returns how well a family fits, and where."""
  net = match.net
  where = [f'in {net.container[:-1]!r}'] if net.container else []
  where += [f'behind {net.prefix!r}'] if net.prefix else []
  said = [f'{len(net.own)} of its {len(net.wanted)} arrays', *where]
  if net.heads:
    said.append('and a classifier (--head)')
  if match.problem:
    said.append(f'but: {match.problem}')
  elif over := match.left_over:
    said.append(f'and {len(over)} that it does not know, such as {over[0]!r}')
  return ' '.join(said)


def _table(
  names: Mapping[str, str], leaves: Mapping[str, Any]
) -> Iterator[str]:
  """Yields a line for arrays whose names differ in a number alone."""
  groups = collections.defaultdict(list)
  for name in names:
    leaf = leaves[name]
    alike = _NUMBER.sub('#', name), str(leaf.dtype), tuple(leaf.shape)
    groups[alike].append(name)
  width = max(map(len, (_together(each) for each in groups.values())))
  for number, ((_, dtype, shape), each) in enumerate(groups.items()):
    if number == _ARRAYS:
      yield f'and {len(groups) - number} lines more; --entry shows a part'
      return
    size = 'x'.join(map(str, shape)) or 'number'
    times = f'  ({len(each)} times)' if len(each) > 1 else ''
    yield f'{_together(each):<{width}}  {size}  {dtype}{times}'


def _together(names: Sequence[str]) -> str:
  """Returns one name for several: 'blocks.{0..11}.norm1.weight'."""
  numbers = list(zip(*map(_NUMBER.findall, names)))
  spans = iter(
    each[0]
    if len(set(each)) == 1
    else f'{{{min(map(int, each))}..{max(map(int, each))}}}'
    for each in numbers
  )
  return _NUMBER.sub(lambda _: next(spans), names[0])
