"""What every backbone gives, so that any head sits on any backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.struct
import jax


@flax.struct.dataclass
class Block:
  """What a block has made, not normalised.

  Attributes:
    grid: [b, t, h, w, d].
    lead: [b, ..., n, d], the tokens off the grid, class tokens first and then
      those that techniques added; None where there are no rows of tokens. An
      image's tower has them per frame, [b, t, n, d].
    rows: which tokens attended to each other, see `site.Grid`.
  """

  grid: jax.Array
  lead: jax.Array | None = None
  rows: str = flax.struct.field(pytree_node=False, default='frame')


@dataclasses.dataclass(frozen=True)
class Trunk:
  """What techniques at the site `features` are given of a backbone.

  Attributes:
    video: what it encoded, [b, T, H, W, 3].
    read: numbers of blocks, or a `tapping.Span` -> what these made, in order.
  """

  video: jax.Array
  read: Callable[[Sequence[Any]], list[Block]]


@flax.struct.dataclass
class Features:
  """A clip, encoded.

  Attributes:
    grid: [b, t, h, w, d], what ROI-Align pools. Where a task has several clips
      of an example, it has their axes behind b, and so has `summary`. None
      where only what a head reads was kept of it.
    summary: [b, d], the clip representation that the backbone was published
      with (mean of the grid, mean of per-frame class tokens, ...).
    tube: layers that still have to run on what a person's tube pools from
      `grid`, [n, t, d] -> [n, t, d]; None where the grid is final.
    blocks: what those blocks made that are asked for; see `Adapted.blocks`.
    regions: [b, n, d], what a head has pooled of boxes in place of `grid`; see
      `tasks.task.Base.digest`.
  """

  grid: jax.Array | None
  summary: jax.Array | None
  tube: Callable[[jax.Array], jax.Array] | None = flax.struct.field(
    pytree_node=False, default=None
  )
  blocks: Mapping[int, Block] = flax.struct.field(default_factory=dict)
  regions: jax.Array | None = None

  def split(self, lead: tuple[int, ...]) -> Features:
    """Returns features whose clips are [*lead] in place of [b]."""
    own = self.grid, self.summary, self.blocks
    grid, summary, blocks = jax.tree.map(
      lambda x: x.reshape(*lead, *x.shape[1:]), own
    )
    return self.replace(grid=grid, summary=summary, blocks=blocks)
