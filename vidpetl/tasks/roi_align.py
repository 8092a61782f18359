"""ROI-Align (He et al. 2017) as two small matrix products per box.

A bin averages bilinear samples at regular points. The weight of cell (y, x) in
a bilinear sample is a product of one factor for y and one for x, and so is the
average over a bin's regular points:

  out[p, q] = sum_y sum_x Wy[p, y] Wx[q, x] grid[y, x].

The sums of factors over a bin's points have a closed form. So the number of
points may depend on the box, as it does in detectron2's adaptive mode, although
all shapes are static, and there is no gather and no loop.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def roi_align(
  grid: jax.Array,
  boxes: jax.Array,
  *,
  stride: tuple[float, float],
  output: tuple[int, int] = (7, 7),
  sampling_ratio: int = 0,
  aligned: bool = True,
) -> jax.Array:
  """Pools each box of a feature map to the same size.

  As `ROIAlign` of detectron2 and torchvision. It is linear in `grid`: pool the
  mean over time rather than take the mean over time of what was pooled.

  Args:
    grid: [b, h, w, d], or [b, t, h, w, d]: a box is then a tube.
    boxes: [b, n, 4], x1, y1, x2, y2 in pixels. Those without an area pool to
      0 in adaptive mode if `aligned`.
    stride: (height, width) of a cell in pixels.
    output: (P, Q), bins per box along y and x.
    sampling_ratio: points per bin along each axis. 0 is adaptive: as many as
      a bin has cells, rounded up.
    aligned: whether the centre of cell 0 is at half its stride, as it is in
      detectron2 and mmcv. False, as in torchvision by default, puts it at 0
      and enlarges boxes to at least one cell.

  Returns:
    float32 [b, n, P, Q, d], or [b, n, t, P, Q, d].
  """
  h, w = grid.shape[-3:-1]
  x1, y1, x2, y2 = jnp.moveaxis(boxes.astype(jnp.float32), -1, 0)
  along = {'sampling_ratio': sampling_ratio, 'aligned': aligned}
  wy = _weights(y1 / stride[0], y2 / stride[0], h, output[0], **along)
  wx = _weights(x1 / stride[1], x2 / stride[1], w, output[1], **along)
  # Interpolation weights lose too much in the reduced precision that
  # accelerators use for float32 products by default.
  exact = {
    'precision': jax.lax.Precision.HIGHEST,
    'preferred_element_type': jnp.float32,
  }
  grid = grid.astype(jnp.float32)
  if grid.ndim == 4:
    rows = jnp.einsum('bnpy,byxd->bnpxd', wy, grid, **exact)
    return jnp.einsum('bnqx,bnpxd->bnpqd', wx, rows, **exact)
  rows = jnp.einsum('bnpy,btyxd->bntpxd', wy, grid, **exact)
  return jnp.einsum('bnqx,bntpxd->bntpqd', wx, rows, **exact)


def _weights(start, end, size, bins, *, sampling_ratio, aligned) -> jax.Array:
  """Weight of each cell of an axis in each bin of a box.

  Point i of a bin lies at s_i = s_0 + i * step, in cells. Beyond [-1, size] it
  counts as 0, in [-1, 0] as cell 0, in [size - 1, size] as the last cell, and
  else as the two cells around it, by its distance to them.

  Args:
    start: [...], where boxes begin, in cells.
    end: [...], where they end.
    size: cells of the axis.
    bins: of the box.
    sampling_ratio: see `roi_align`.
    aligned: see `roi_align`.

  Returns:
    float32 [..., bins, size].
  """
  start = start - 0.5 * aligned
  length = end - 0.5 * aligned - start
  length = jnp.maximum(length, 0.0 if aligned else 1.0)
  width = (length / bins)[..., None, None]
  points = jnp.full_like(width, sampling_ratio or 0)
  if not sampling_ratio:
    points = jax.lax.stop_gradient(jnp.ceil(width))
  count = jnp.maximum(points, 1)
  step = width / count
  first = start[..., None, None] + step / 2
  first = first + jnp.arange(bins, dtype=jnp.float32)[:, None] * width

  # before[j]: how many points come before cell j - 1, so that the points of
  # interval j are those in [j - 1, j). Both ends of [-1, size] belong to it.
  left = jnp.arange(-1, size + 1, dtype=jnp.float32)
  reach = (left - first) / jnp.maximum(step, 1e-6)
  reach = jnp.ceil(reach).at[..., -1].set(jnp.floor(reach[..., -1]) + 1)
  before = jax.lax.stop_gradient(jnp.clip(reach, 0, points))
  inside = jnp.diff(before)  # [..., bins, size + 1]
  index_sum = jnp.diff(before * (before - 1) / 2)

  # Sum over an interval's points of their distances to its left end.
  rise = inside * (first - left[:-1]) + step * index_sum
  fall = inside - rise
  rise = rise.at[..., 0].set(inside[..., 0])
  fall = fall.at[..., -1].set(inside[..., -1])
  return (rise[..., :-1] + fall[..., 1:]) / count
