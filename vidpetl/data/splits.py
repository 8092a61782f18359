"""How data are split: by a share of each class, and what splits are called."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Hashable, Sequence

import numpy as np

from vidpetl.data import names
from vidpetl.data.annotations import strings

_ROLES = {
  'train': ('train', 'training', 'tr', 'trn'),
  'val': ('val', 'valid', 'validate', 'validation', 'dev', 'eval'),
  'test': ('test', 'testing', 'tst'),
}
ROLES = tuple(_ROLES)
_ROLE = {name: role for role, spelled in _ROLES.items() for name in spelled}


def role(name: str) -> str:
  """Returns what a split is for: 'Training' and 'tr' are 'train'.

  Args:
    name: of a split, as a folder or a table spells it.

  Returns:
    'train', 'val' or 'test'; another name without blanks around it, in small
    letters.
  """
  plain = names.clean(name).casefold()
  return _ROLE.get(plain, plain)


def by_share(
  keys: Sequence[str], groups: Sequence[Hashable], fraction: float
) -> np.ndarray:
  """Splits items by a share of each group, the same on every machine.

  Within a group the keys are put in order of their SHA-256, and the first
  `round(fraction * n)` of its n keys are for validation: at least one where
  there are two or more, and never all; none where there is one. Items of one
  key stay together.

  Args:
    keys: [n], which name the items: paths below a folder, or ids. Unicode's
      composed and decomposed forms are one key.
    groups: [n], e.g. classes.
    fraction: of each group, 0 <= fraction < 1.

  Returns:
    bool [n], True for validation.

  Raises:
    ValueError: for another fraction.
  """
  if not 0 <= fraction < 1:
    raise ValueError(f'val_fraction={fraction} is not in [0, 1)')
  digests = [digest(key) for key in keys]
  members: dict[Hashable, set[bytes]] = collections.defaultdict(set)
  for one, group in zip(digests, groups, strict=True):
    members[group].add(one)
  chosen = {g: _first(found, fraction) for g, found in members.items()}
  inside = [d in chosen[group] for d, group in zip(digests, groups)]
  return np.array(inside, bool)


def digest(key: str) -> bytes:
  """Returns what orders keys at random, alike on every machine: SHA-256.

  Unicode's composed and decomposed forms, which systems take, are one key.
  """
  return hashlib.sha256(names.clean(key).encode(*strings.CODEC)).digest()


def _first(digests: set[bytes], fraction: float) -> set[bytes]:
  """Returns the digests that are for validation."""
  n = len(digests)
  count = min(max(round(fraction * n), 1), n - 1) if fraction else 0
  return set(sorted(digests)[:count])
