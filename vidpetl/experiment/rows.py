"""One batch whose rows are answered with packages of their own."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.experiment import package_programs


def logits(
  adapters: Any,
  names: Sequence[str],
  batch: Mapping[str, Any],
  task: str | None,
) -> list[np.ndarray]:
  """Returns the logits of each row; see `Adapters.logits_of_rows`."""
  if len(names) != len(batch['video']):
    raise ValueError(
      f'{len(names)} names of packages for {len(batch["video"])} rows'
    )
  groups = collections.defaultdict(list)
  for row, name in enumerate(names):
    groups[adapters.structure(name), adapters.task(name, task)].append(row)
  found: dict[int, np.ndarray] = {}
  for (structure, head), rows in groups.items():
    program = package_programs.of_rows(structure, head)
    kinds = list(dict.fromkeys(names[row] for row in rows))
    # Programs are compiled for 1, 2, 4, … rows and packages.
    filled = rows + rows[-1:] * (_power(len(rows)) - len(rows))
    part = {k: np.asarray(v)[filled] for k, v in batch.items()}
    index = np.array([kinds.index(names[row]) for row in filled], np.int32)
    shared, own = _split(adapters, kinds)
    answers = np.asarray(program(shared, own, index, part))
    found |= dict(zip(rows, answers))
  return [found[row] for row in range(len(names))]


def _split(
  adapters: Any, names: Sequence[str]
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
  """Returns what packages share by path, and what is their own, [k, ...]."""
  whole = [adapters.params(name) for name in names]
  paths = {path for name in names for path in adapters.package(name).params}
  filled = whole + whole[-1:] * (_power(len(whole)) - len(whole))
  shared = {k: v for k, v in whole[0].items() if k not in paths}
  return shared, {k: jnp.stack([p[k] for p in filled]) for k in paths}


def _power(n: int) -> int:
  """Returns the least power of two that is no less."""
  return 1 << (n - 1).bit_length()
