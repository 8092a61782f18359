import functools
import math

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.tasks import roi_align


def sampled_bin(image, y0, x0, height, width, points):
  """Mean of bilinear samples of one bin, point by point."""
  total = np.zeros(image.shape[-1])
  ny, nx = points
  for i in range(ny):
    for j in range(nx):
      y = y0 + (i + 0.5) * height / ny
      x = x0 + (j + 0.5) * width / nx
      total += bilinear(image, y, x)
  return total / max(ny * nx, 1)


def bilinear(image, y, x):
  h, w, d = image.shape
  if y < -1 or y > h or x < -1 or x > w:
    return np.zeros(d)
  y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
  top, left = int(y), int(x)
  bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
  fy, fx = y - top, x - left
  upper = image[top, left] * (1 - fx) + image[top, right] * fx
  lower = image[bottom, left] * (1 - fx) + image[bottom, right] * fx
  return upper * (1 - fy) + lower * fy


def reference(image, box, stride, output, sampling_ratio, aligned):
  """ROI-Align of one box, [P, Q, d], as a loop in float64."""
  offset = 0.5 if aligned else 0.0
  y1, y2 = (box[k] / stride[0] - offset for k in (1, 3))
  x1, x2 = (box[k] / stride[1] - offset for k in (0, 2))
  height, width = y2 - y1, x2 - x1
  if not aligned:
    height, width = max(height, 1.0), max(width, 1.0)
  bin_h, bin_w = height / output[0], width / output[1]
  points = (
    (sampling_ratio,) * 2
    if sampling_ratio
    else (math.ceil(bin_h), math.ceil(bin_w))
  )
  out = np.zeros((*output, image.shape[-1]))
  for p in range(output[0]):
    for q in range(output[1]):
      out[p, q] = sampled_bin(
        image, y1 + p * bin_h, x1 + q * bin_w, bin_h, bin_w, points
      )
  return out


pool = jax.jit(
  roi_align.roi_align,
  static_argnames=('stride', 'output', 'sampling_ratio', 'aligned'),
)

H, W, STRIDE, OUTPUT = 9, 14, (16.0, 8.0), (7, 5)  # 144 x 112 pixels.


def some_boxes(rng):
  """Boxes inside, across the border, outside, tiny and huge."""
  corner = rng.uniform(0, 100, (8, 2))
  inside = np.concatenate([corner, corner + rng.uniform(1, 44, (8, 2))], 1)
  corner = rng.uniform(-120, 130, (8, 2))
  across = np.concatenate([corner, corner + rng.uniform(1, 200, (8, 2))], 1)
  special = [
    [3.1, 4.2, 3.3, 4.3],  # Much less than a cell.
    [-300.3, -300.7, -200.1, -210.9],  # Outside.
    [-200.3, -150.1, 300.7, 320.9],  # Several times the map.
    [0, 0, 112, 144],  # All of it.
    [90.2, 120.4, 133.8, 190.6],  # Over the last corner.
  ]
  return np.concatenate([inside, across, special]).astype(np.float32)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 1, 2])
def test_equals_a_loop_over_samples(sampling_ratio, aligned):
  rng = np.random.default_rng(sampling_ratio)
  grid = rng.normal(size=(2, H, W, 3)).astype(np.float32)
  boxes = np.stack([some_boxes(rng), some_boxes(rng)])
  out = pool(
    grid,
    boxes,
    stride=STRIDE,
    output=OUTPUT,
    sampling_ratio=sampling_ratio,
    aligned=aligned,
  )
  for b in range(2):
    for n, box in enumerate(boxes[b]):
      expected = reference(
        grid[b].astype(np.float64),
        box.astype(np.float64),
        STRIDE,
        OUTPUT,
        sampling_ratio,
        aligned,
      )
      np.testing.assert_allclose(out[b, n], expected, atol=1e-5, err_msg=box)


@pytest.mark.parametrize(
  'aligned, expected',
  [
    (
      True,
      [
        [4.5, 5.0, 5.5, 6.0],
        [7.0, 7.5, 8.0, 8.5],
        [9.5, 10.0, 10.5, 11.0],
        [12.0, 12.5, 13.0, 13.5],
      ],
    ),
    (
      False,
      [
        [7.5, 8.0, 8.5, 9.0],
        [10.0, 10.5, 11.0, 11.5],
        [12.5, 13.0, 13.5, 14.0],
        [15.0, 15.5, 16.0, 16.5],
      ],
    ),
  ],
)
def test_known_values_of_detectron2(aligned, expected):
  grid = jnp.arange(25.0).reshape(1, 5, 5, 1)
  boxes = jnp.array([[[1.0, 1.0, 3.0, 3.0]]])
  out = pool(grid, boxes, stride=(1, 1), output=(4, 4), aligned=aligned)
  np.testing.assert_allclose(out[0, 0, :, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize('aligned', [True, False])
def test_points_on_the_limits_count_as_inside(aligned):
  """At -1 and at the size; these numbers are exact in float32."""
  grid = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
  # Points every 1/2, 1, 2 cells, on whole and half cells.
  low = np.array([-2.25, -2, -1.75, -1.5, -1.25, -1, -0.75, -0.5, 0])
  spans = [(x, x + size) for x in low for size in (2, 4, 8)]
  boxes = np.array([[a, c, b, d] for a, b in spans for c, d in spans])
  boxes = boxes[:: len(boxes) // 40].astype(np.float32)
  out = pool(
    grid,
    boxes[None],
    stride=(1, 1),
    output=(2, 2),
    sampling_ratio=2,
    aligned=aligned,
  )
  for n, box in enumerate(boxes):
    expected = reference(grid[0], box, (1, 1), (2, 2), 2, aligned)
    np.testing.assert_allclose(out[0, n], expected, atol=1e-6, err_msg=box)


def test_tubes_are_frames_pooled_one_by_one():
  rng = np.random.default_rng(0)
  grid = rng.normal(size=(2, 3, H, W, 4)).astype(np.float32)
  boxes = np.stack([some_boxes(rng), some_boxes(rng)])
  tubes = pool(grid, boxes, stride=STRIDE)
  assert tubes.shape == (2, boxes.shape[1], 3, 7, 7, 4)
  for t in range(3):
    frame = pool(grid[:, t], boxes, stride=STRIDE)
    np.testing.assert_allclose(tubes[:, :, t], frame, atol=1e-5)
  np.testing.assert_allclose(
    tubes.mean(2),
    pool(grid.mean(1), boxes, stride=STRIDE),
    atol=1e-5,
  )


@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_gradients_equal_finite_differences(sampling_ratio):
  rng = np.random.default_rng(3)
  output = (3, 2)
  grid = rng.normal(size=(H, W, 2))
  corner = rng.uniform(-20, 80, (4, 2))
  boxes = np.concatenate([corner, corner + rng.uniform(20, 80, (4, 2))], 1)
  weights = rng.normal(size=(4, *output, 2))

  def value(grid, n, box):
    out = reference(grid, box, STRIDE, output, sampling_ratio, True)
    return (out * weights[n]).sum()

  def loss(grid, boxes):
    out = roi_align.roi_align(
      grid[None],
      boxes[None],
      stride=STRIDE,
      output=output,
      sampling_ratio=sampling_ratio,
    )
    return (out[0] * weights.astype(np.float32)).sum()

  to_grid, to_boxes = jax.jit(jax.grad(loss, (0, 1)))(
    grid.astype(np.float32), boxes.astype(np.float32)
  )
  for n, k in np.ndindex(4, 4):
    step = 1e-6 * np.eye(4)[k]
    rise = value(grid, n, boxes[n] + step) - value(grid, n, boxes[n] - step)
    np.testing.assert_allclose(to_boxes[n, k], rise / 2e-6, atol=2e-4)
  step = rng.normal(size=grid.shape)
  change = sum(value(step, n, box) for n, box in enumerate(boxes))
  np.testing.assert_allclose((to_grid * step).sum(), change, rtol=1e-4)


@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_degenerate_boxes_give_finite_values(sampling_ratio, aligned):
  boxes = jnp.array(
    [[[0, 0, 0, 0], [50, 50, 50, 50], [60, 60, 20, 20], [-1e9, -1e9, 1e9, 1e9]]]
  ).astype(jnp.float32)

  pooled = functools.partial(
    pool, stride=STRIDE, sampling_ratio=sampling_ratio, aligned=aligned
  )

  grid = jnp.ones((1, H, W, 2))
  out = pooled(grid, boxes)
  grads = jax.jit(jax.grad(lambda *x: pooled(*x).sum(), (0, 1)))(grid, boxes)
  for x in (out, *grads):
    assert np.isfinite(x).all()
  if aligned and not sampling_ratio:
    assert not out[0, :3].any()


def test_survives_export():
  rng = np.random.default_rng(0)
  grid = rng.normal(size=(1, H, W, 2)).astype(np.float32)
  boxes = some_boxes(rng)[None]
  exported = jax.export.export(
    jax.jit(lambda *x: roi_align.roi_align(*x, stride=STRIDE)),
    platforms=('cpu', 'tpu', 'cuda'),
  )(grid, boxes)
  again = jax.export.deserialize(exported.serialize())
  np.testing.assert_allclose(
    again.call(grid, boxes), pool(grid, boxes, stride=STRIDE), atol=1e-6
  )
