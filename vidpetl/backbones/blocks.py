"""How the blocks of a transformer run, one after the other."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax

from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import rolling, tapping
from vidpetl.backbones import site as site_lib


@dataclasses.dataclass(frozen=True)
class Running:
  """How they run; what they compute is the same.

  Attributes:
    scan: whether blocks that are alike become a loop.
    remat: what the backward pass computes again: False is nothing; True all
      of a block; see `remat.Remat`.
  """

  scan: bool = False
  remat: Any = False


def run(
  make: Sequence[Callable[[], nn.Module]],
  x: jax.Array,
  grid: site_lib.Grid,
  how: Running,
) -> jax.Array:
  """Runs blocks, and shows what each has made.

  Args:
    make: makes each block, within the module whose they are.
    x: tokens.
    grid: where they sit.
    how: they run.
  """
  blocks = [each() for each in make]
  if _plain(blocks, how):
    for block in blocks:
      x = tapping.tap(block(x), grid)
    return x
  traced: list[rolling.Traced] = []
  given = x
  for number, block in enumerate(blocks):
    again = remat_lib.applies(how.remat, number)
    traced.append(rolling.trace(block, given, again))
    given = traced[-1].out
  wrap = functools.partial(remat_lib.wrap, how.remat)
  shown = functools.partial(tapping.tap, grid=grid)
  return rolling.run(
    traced, x, wrap, shown if tapping.is_asked() else None, how.scan
  )


def _plain(blocks: Sequence[nn.Module], how: Running) -> bool:
  if not blocks or not (how.scan or how.remat):
    return True
  return blocks[0].is_initializing()
