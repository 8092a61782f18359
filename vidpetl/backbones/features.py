"""What every backbone gives, so that any head sits on any backbone."""

from __future__ import annotations

from collections.abc import Callable

import flax.struct
import jax


@flax.struct.dataclass
class Features:
  """A clip, encoded.

  Attributes:
    grid: [b, t, h, w, d], what ROI-Align pools. Where a task has several clips
      of an example, it has their axes behind b, and so has `summary`.
    summary: [b, d], the clip representation that the backbone was published
      with (mean of the grid, mean of per-frame class tokens, ...).
    tube: layers that still have to run on what a person's tube pools from
      `grid`, [n, t, d] -> [n, t, d]; None where the grid is final.
  """

  grid: jax.Array
  summary: jax.Array
  tube: Callable[[jax.Array], jax.Array] | None = flax.struct.field(
    pytree_node=False, default=None
  )

  def split(self, lead: tuple[int, ...]) -> Features:
    """Returns features whose clips are [*lead] in place of [b]."""
    return self.replace(
      grid=self.grid.reshape(*lead, *self.grid.shape[1:]),
      summary=self.summary.reshape(*lead, *self.summary.shape[1:]),
    )
