"""Where in a file the arrays of a family are, whatever is around them.

A file's arrays have names such as 'state_dict/model.net.blocks.0.norm1.bias':
dicts within dicts ('/'), and modules within modules ('.'). Somewhere in them a
family's own names begin, here with 'blocks'. What is before is found by trying:
each beginning of a name, behind which a name of the family follows, has a vote.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.weights import family as family_lib
from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.tree import Leaf, is_array

# Modules that wrap others and have no arrays of their own: those of PyTorch's
# data parallelism, compiler, checkpointing and sharding.
_WRAPPERS = (
  'module',
  '_orig_mod',
  '_checkpoint_wrapped_module',
  '_fsdp_wrapped_module',
)
# Folders of what an optimizer keeps of gradients, under the weights' names.
_MOMENTS = re.compile(r'(^|/)(opt_state|optimizer/state|mu|nu|trace)/')
# What PyTorch's AveragedModel keeps beside the module in it.
_COUNT = re.compile(r'(^|[./])n_averaged$')
# Beginnings that lead to averages over training.
_AVERAGED = re.compile(r'(?<![a-z])(ema|swa|averag)', re.IGNORECASE)
_NUMBER = re.compile(r'\d+')
_TRIED = 8  # Beginnings, of those with the most votes.
# A net with fewer of a family's names than this share is another's.
LEAST = 0.5


@dataclasses.dataclass(frozen=True)
class Net:
  """A net of a family in a file.

  Attributes:
    container: 'a/b/' of the dict that holds it.
    prefix: 'model.' before its names there.
    names: name in the file -> what the family calls it, of all arrays in the
      container.
    wanted: the rules that fit them best.
    target: module of the backbone that these are for.
    heads: how many rules of the classifier have an array.
  """

  container: str
  prefix: str
  names: Mapping[str, str]
  wanted: Sequence[rules.Rule]
  target: str
  heads: int

  @property
  def own(self) -> set[str]:
    """Names in the file of what its rules take."""
    theirs = {each.theirs for each in self.wanted}
    return {full for full, name in self.names.items() if name in theirs}

  @property
  def share(self) -> float:
    """How many of its rules have an array, of all of them."""
    have = set(self.names.values())
    found = sum(each.theirs in have for each in self.wanted)
    return found / max(len(self.wanted), 1)

  @property
  def splits_heads(self) -> bool:
    """Whether a rule has to know how many channels a head has."""
    return any(each.splits_heads for each in self.wanted)

  @property
  def start(self) -> str:
    """What is before its names."""
    return self.container + self.prefix

  @property
  def entry(self) -> str:
    """What `--entry` calls it."""
    return self.start.rstrip('/.')

  @property
  def is_averaged(self) -> bool:
    return bool(_AVERAGED.search(self.start))


def find(
  leaves: Mapping[str, Any],
  family: family_lib.Family,
  target: str = '',
  entry: str = '',
) -> tuple[Net, list[str]]:
  """Returns the net of a family that is in a file.

  Args:
    leaves: of the file; see `tree.leaves`.
    family: that it is of.
    target: module of the backbone that it is for, '' for any.
    entry: 'a/b' of the dict, or 'a/b.c' of the module, to look into.

  Returns:
    The net, which may have nothing to do with the family; sentences about what
    was dropped of names, and what was not read.

  Raises:
    WeightsError: if there are several nets and no entry that says which, if
      two arrays would have the same name, or if there is no such entry.
  """
  meant = '' if entry else _meant(leaves, family)
  names = bare(leaves, entry or meant)
  if not names:
    raise WeightsError(
      f'no {entry!r} with weights; it has {_tops(leaves)}'
      if entry
      else f'no arrays; it has {_tops(leaves) or "nothing"}'
    )
  net, averaged = _choose(nets(names, family, target))
  net = _without(net, averaged, names)
  _require_unique(net)
  notes = [_place(leaves, net), *_dropped(names, net)]
  if meant:
    notes.append(f'of its nets, {meant!r} is meant; --entry= names another')
  notes += [
    f'there are averaged weights as well: --entry={each.entry} takes them'
    for each in averaged
  ]
  return net, [note for note in notes if note]


def _meant(leaves: Mapping[str, Any], family: family_lib.Family) -> str:
  """Returns the entry that a family means, '' if a file has none of them."""
  for name in family.meant:
    for full in leaves:
      folders = full.split('/')[:-1]
      if name in folders:
        return '/'.join(folders[: folders.index(name) + 1])
  return ''


def nets(
  names: Mapping[str, str], family: family_lib.Family, target: str = ''
) -> list[Net]:
  """Returns the nets that fit a family best, apart from each other.

  Args:
    names: of arrays in the file -> the same without wrappers; see `bare`.
    family: that they are of.
    target: module of the backbone that they are for, '' for any.
  """
  tried = [
    _net(names, family, target, start[:end], start[end:])
    for start in _starts(names, family)
    for end in [0, *(m.end() for m in re.finditer('/', start))]
  ]
  most = max(net.share for net in tried)
  best = [net for net in tried if net.share == most]
  # What a family renames itself is no prefix, so the shortest start is right.
  # Of its containers, that with the classifier, and then the smallest.
  best.sort(key=lambda n: (len(n.start), -n.heads, -len(n.container)))
  found = []
  for net in best:
    if not any(net.own & other.own for other in found):
      found.append(net)
  return found


def _rules(
  family: family_lib.Family, target: str, names: set[str]
) -> tuple[list[rules.Rule], str]:
  """Returns the rules that fit names best, and the backbone of these."""
  sets = [
    (rules.expand(each, names), backbone)
    for backbone, several in family.rules.items()
    if target in ('', backbone)
    for each in several
  ]

  def misfit(each: tuple[list[rules.Rule], str]) -> int:
    theirs = {r.theirs for r in each[0]}
    return len(theirs - names) + len(names - theirs)

  return min(sets, key=misfit)


def bare(leaves: Mapping[str, Any], entry: str = '') -> dict[str, str]:
  """Returns arrays' names -> the same without wrappers, below an entry."""
  names = {}
  for full, leaf in leaves.items():
    if not is_array(leaf) or _COUNT.search(full):
      continue
    folder, slash, name = full.rpartition('/')
    parts = [part for part in name.split('.') if part not in _WRAPPERS]
    short = folder + slash + ('.'.join(parts) or name)
    if not entry or any(_is_below(n, entry) for n in (full, short)):
      names[full] = short
  return names


def _is_below(name: str, entry: str) -> bool:
  entry = entry.rstrip('/.')
  return name.startswith((f'{entry}/', f'{entry}.'))


def _tops(leaves: Mapping[str, Any]) -> list[str]:
  return list(dict.fromkeys(name.split('/')[0] for name in leaves))


def _starts(names: Mapping[str, str], family: family_lib.Family) -> list[str]:
  """Returns what may be before the family's names, the likeliest first."""
  is_known = _knows(family)
  groups = collections.defaultdict(list)
  for name in names.values():
    groups[_alike(name)].append(name)
  votes = collections.Counter({'': 0})
  for group in groups.values():
    # What holds for a block's name holds for the others'.
    first = group[0]
    known = [is_known(first[at:]) for at in _boundaries(first)]
    votes.update(
      name[:at]
      for name in group
      for at, counts in zip(_boundaries(name), known)
      if counts
    )
  passed = [s for s in votes if s and _is_passed(s, family)]
  for start in passed:
    del votes[start]
  most = max(votes.values())
  likely = [s for s, n in votes.most_common(_TRIED) if 2 * n >= most]
  return likely or ['']


def _boundaries(name: str) -> Iterator[int]:
  yield 0
  for match in re.finditer(r'[./]', name):
    yield match.end()


def _alike(name: str) -> str:
  """Returns what names that differ in numbers alone have in common."""
  return _NUMBER.sub('0', name.replace('{i}', '0'))


def _knows(family: family_lib.Family) -> Callable[[str], bool]:
  """Returns whether a name is one of a family's, whatever its numbers."""
  known = {
    _alike(each.theirs)
    for several in family.rules.values()
    for some in several
    for each in some
  }
  return lambda name: (
    not known.isdisjoint((_alike(name), _alike(_renamed(name, family))))
  )


def _is_passed(start: str, family: family_lib.Family) -> bool:
  """Whether what begins so is no net to choose: moments, or left out."""
  if _MOMENTS.search(start):
    return True
  prefix = start.rpartition('/')[2]
  return any(
    re.search(pattern, prefix[at:])
    for at in _boundaries(prefix)
    for pattern in family.left_out
  )


def _net(names, family, target, container, prefix) -> Net:
  """Returns what is in a container, as if a net's names had that prefix."""
  inside = {
    full: _renamed(_strip(name[len(container) :], prefix), family)
    for full, name in names.items()
    if name.startswith(container)
  }
  have = set(inside.values())
  wanted, backbone = _rules(family, target, have)
  heads = sum(each.theirs in have for each in family.head)
  return Net(container, prefix, inside, wanted, backbone, heads)


def _strip(name: str, prefix: str) -> str:
  """Returns a name without the parts that it begins with as a prefix does.

  What is beside the net, such as its classifier, has a part of the net's prefix
  or nothing of it.
  """
  for part in re.findall(r'[^./]*[./]', prefix):
    if not name.startswith(part):
      break
    name = name.removeprefix(part)
  return name


def _renamed(name: str, family: family_lib.Family) -> str:
  for pattern, replacement in family.rename:
    name = re.sub(pattern, replacement, name)
  return name


def _choose(found: list[Net]) -> tuple[Net, list[Net]]:
  """Returns the net to take, and averages of it."""
  plain = [net for net in found if not net.is_averaged]
  if len(plain) == 1:
    return plain[0], [net for net in found if net.is_averaged]
  if len(found) > 1 and found[0].share >= LEAST:
    asked = ' or '.join(f'--entry={net.entry}' for net in found)
    raise WeightsError(f'{len(found)} nets are in it; say which: {asked}')
  return found[0], []


def _without(net: Net, averaged: list[Net], names: Mapping[str, str]) -> Net:
  """Returns a net without what is of its averages, in the same container."""
  beside = tuple(each.start for each in averaged if each.prefix)
  if not beside:
    return net
  kept = {
    full: name
    for full, name in net.names.items()
    if not names[full].startswith(beside)
  }
  return dataclasses.replace(net, names=kept)


def _require_unique(net: Net) -> None:
  ours = {}
  for full, name in net.names.items():
    if name in ours:
      raise WeightsError(
        f'two arrays would be called {name!r}, {ours[name]!r} and {full!r}; '
        '--entry names the part of the file to take'
      )
    ours[name] = full


def _place(leaves: Mapping[str, Any], net: Net) -> str:
  """Returns a sentence about the container, and what is outside of it."""
  beside = {}
  for name in leaves:
    if name not in net.names:
      beside[_first(name, net.container)] = True
  said = [f'weights of {net.container[:-1]!r}'] if net.container else []
  said += [f'not read: {list(beside)}'] if beside else []
  return '; '.join(said)


def _first(name: str, container: str) -> str:
  """Returns how a name begins, up to where it leaves a container."""
  parts, inside = name.split('/'), container.split('/')
  same = 0
  while same < len(parts) - 1 and parts[same] == inside[same]:
    same += 1
  first = parts[same]
  # Of a module, its own name.
  first = first if '.' not in first else first.partition('.')[0] + '.'
  return '/'.join([*parts[:same], first])


def _dropped(names: Mapping[str, str], net: Net) -> list[str]:
  """Returns a sentence for each prefix and wrapper that names have lost."""
  counts = collections.Counter()
  for full in net.names:
    last = full.rpartition('/')[2].split('.')
    kept = names[full].rpartition('/')[2].split('.')
    for part in set(last) - set(kept):
      counts[f'{part}.'] += 1
    inside = names[full][len(net.container) :]
    counts[inside[: len(inside) - len(_strip(inside, net.prefix))]] += 1
  del counts['']
  return [f'{part!r} taken off {n} names' for part, n in counts.items()]


def arrays(leaves: Mapping[str, Any], net: Net) -> dict[str, Leaf]:
  """Returns a net's arrays by the family's names."""
  return {
    name: np.asarray(leaf) if isinstance(leaf, np.generic) else leaf
    for full, name in net.names.items()
    for leaf in [leaves[full]]
  }
