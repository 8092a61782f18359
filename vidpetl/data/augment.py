"""What happens to a batch on the device before the backbone sees it.

Scale jitter resizes a clip by one factor and crops what no longer fits, which
together with the padding below and right gives R x R again; then the clip may
be mirrored, and boxes perturbed. Boxes follow their pixels through all of it.
Instead of scale jitter, a random part of the content may be stretched over the
square (random-resized-crop). Colours change last.

Resizing, cropping and mirroring are one resampling per axis, video' = Y video
X^T, with X and Y made per clip: two matrix products that an accelerator does
at full speed, with shapes that do not depend on the drawn scale.
"""

from __future__ import annotations

import dataclasses
import functools

import dm_pix as pix
import jax
import jax.numpy as jnp

from vidpetl.data import color, placement

Batch = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Augment:
  """Settings of `preprocess`.

  Attributes:
    scale_jitter: range of the uniform scale factor, or None for none
      (Arnab et al. 2022, appendix A.1: 0.65 to 1.1).
    box_jitter: each edge of a box moves by up to this fraction of the side
      that it bounds (Arnab et al. 2022, appendix A.1: 0.15).
    flip: mirror every other clip. Not for classes that tell left from right.
    mean: of each channel, for videos in [0, 1].
    std: of each channel, for videos in [0, 1].
    pad_value: of the padding, after normalisation.
    dtype: of the resulting video; everything is computed in float32.
    crop_area: range of a random-resized-crop's share of the content's area, or
      None for none; needs `scale_jitter` None, and clips without boxes.
    crop_ratio: range of its width over its height, drawn log-uniformly.
    color_jitter: (brightness, contrast, saturation, hue), see `color`, or None
      for none.
    color_jitter_p: probability of it.
    color_jitter_per_frame: draw it for each frame, not for each clip.
    grayscale: probability that a clip becomes grey.
  """

  scale_jitter: tuple[float, float] | None = (0.65, 1.1)
  box_jitter: float = 0.15
  flip: bool = True
  mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
  std: tuple[float, float, float] = (0.5, 0.5, 0.5)
  pad_value: float = 0.0
  dtype: str = 'float32'
  crop_area: tuple[float, float] | None = None
  crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
  color_jitter: tuple[float, float, float, float] | None = None
  color_jitter_p: float = 1.0
  color_jitter_per_frame: bool = False
  grayscale: float = 0.0

  def __post_init__(self):
    # A config's lists, so that this stays hashable: it is static under jit.
    lists = ('scale_jitter', 'mean', 'std', 'crop_area', 'crop_ratio')
    for field in (*lists, 'color_jitter'):
      if getattr(self, field) is not None:
        object.__setattr__(self, field, tuple(getattr(self, field)))
    if self.scale_jitter is not None:
      low, high = self.scale_jitter
      if not 0 < low <= high:
        raise ValueError(
          f'scale_jitter is {self.scale_jitter}: (low, high) with '
          '0 < low <= high, or None'
        )
    if not 0 <= self.box_jitter < 0.5:
      raise ValueError(
        f'box_jitter is {self.box_jitter}: at 0.5 a box may vanish'
      )
    if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
      raise ValueError(
        f'mean {self.mean} and std {self.std} need 3 channels, std > 0'
      )
    self._check_crop()
    color.check(self.color_jitter, self.color_jitter_p, self.grayscale)

  def _check_crop(self) -> None:
    low, high = self.crop_ratio
    if not 0 < low <= high:
      raise ValueError(f'crop_ratio is {self.crop_ratio}: 0 < low <= high')
    if self.crop_area is None:
      return
    low, high = self.crop_area
    if not 0 < low <= high <= 1:
      raise ValueError(
        f'crop_area is {self.crop_area}: (low, high) with 0 < low <= high <= 1,'
        ' or None'
      )
    if self.scale_jitter is not None:
      raise ValueError(
        f'crop_area={self.crop_area} needs scale_jitter=None, not '
        f'{self.scale_jitter}'
      )

  @property
  def changes_colors(self) -> bool:
    return self.color_jitter is not None or self.grayscale > 0


@functools.partial(jax.jit, static_argnames=('augment', 'train'))
def preprocess(batch: Batch, augment: Augment, *, train: bool) -> Batch:
  """Returns a batch as the backbone takes it.

  Args:
    batch: `video` uint8 [b, t, R, R, 3] or, with two clips of each example,
      [b, 2, t, R, R, 3] or, at evaluation, with several views
      [b, v, t, R, R, 3]; `size` int32 [b, 2], height and width of the content;
      `seed` uint32 [b, 2]; where there are boxes, `boxes` [b, n, 4] as
      fractions of the content and `box_valid` [b, n]. Other keys pass through.
    augment: settings.
    train: whether to augment; every example by its own `seed`, and each of two
      clips by draws of its own.

  Returns:
    The batch with `video` normalised, `augment.pad_value` outside of the
    content; `size` of the content now, [b, 2, 2] of augmented pairs; `boxes` as
    x1, y1, x2, y2 in pixels of the R x R input, zeros where not valid;
    `box_valid` False also for boxes that were cropped away.
  """
  if train and batch['video'].ndim == 6 and batch['video'].shape[1] == 2:
    return _preprocess_pairs(batch, augment)
  if train and batch['video'].ndim != 5:
    raise ValueError(
      'training takes videos [b, t, R, R, 3], or [b, 2, t, R, R, 3] of two '
      f'clips each, not {batch["video"].shape}: several views are for '
      'evaluation'
    )
  if not train:
    return _preprocess(batch, None, augment, False)
  keys = jax.random.wrap_key_data(batch['seed'], impl='threefry2x32')
  return _preprocess(batch, keys, augment, True)


def _preprocess_pairs(batch: Batch, augment: Augment) -> Batch:
  """Augments both clips of each example, `video` [b, 2, t, R, R, 3]."""
  if 'boxes' in batch:
    raise ValueError('two clips of an example cannot share their boxes')
  keys = jax.random.wrap_key_data(batch['seed'], impl='threefry2x32')
  fold = jax.vmap(jax.random.fold_in, (None, 0))
  keys = jax.vmap(fold, (0, None))(keys, jnp.arange(2))
  video = batch['video']
  flat = {
    'video': video.reshape(-1, *video.shape[2:]),
    'size': jnp.repeat(batch['size'], 2, axis=0),
  }
  flat = _preprocess(flat, keys.reshape(-1), augment, True)
  return batch | {
    key: array.reshape(-1, 2, *array.shape[1:]) for key, array in flat.items()
  }


def _preprocess(
  batch: Batch, keys: jax.Array | None, augment: Augment, train: bool
) -> Batch:
  """See `preprocess`; of training, only single clips, by the keys [b]."""
  out = dict(batch)
  video = batch['video']
  if train:
    if 'boxes' in batch and augment.crop_area is not None:
      raise ValueError(
        f'crop_area={augment.crop_area} is not for clips with boxes: use '
        'scale_jitter'
      )
    place_keys, box_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    geometry = jax.vmap(_draw(augment, video.shape[-2]))(
      place_keys, batch['size']
    )
    video = jax.vmap(_resample)(video, geometry)
    out['size'] = geometry['size']
  else:
    geometry = placement.unchanged(batch['size'])
  video = video.astype(jnp.float32) / 255.0
  if train and augment.changes_colors:
    # 0 and 1 are the two keys above.
    color_keys = jax.vmap(lambda key: jax.random.fold_in(key, 2))(keys)
    change = functools.partial(
      color.augment,
      strengths=augment.color_jitter,
      p=augment.color_jitter_p,
      per_frame=augment.color_jitter_per_frame,
      grayscale=augment.grayscale,
    )
    video = jax.vmap(change)(color_keys, video, out['size'])
  out['video'] = _normalise(video, out['size'], augment)
  if 'boxes' in batch:
    boxes = jax.vmap(_follow)(batch['boxes'], geometry)
    if train and augment.box_jitter:
      jitter = functools.partial(jitter_boxes, ratio=augment.box_jitter)
      boxes = jax.vmap(jitter)(box_keys, boxes)
    out['boxes'], out['box_valid'] = jax.vmap(_clip_boxes)(
      boxes, batch['box_valid'], out['size']
    )
  return out


def _draw(augment: Augment, side: int):
  """Returns the function that draws a clip's placement from key and size."""
  if augment.crop_area is None:
    return functools.partial(
      placement.jitter_scale,
      scales=augment.scale_jitter,
      flip=augment.flip,
      side=side,
    )
  return functools.partial(
    placement.crop,
    areas=augment.crop_area,
    ratios=augment.crop_ratio,
    flip=augment.flip,
    side=side,
  )


def resampling_matrix(
  side: int,
  begin: jax.Array,
  length: jax.Array,
  scaled: jax.Array,
  offset: jax.Array,
) -> jax.Array:
  """Returns the matrix that resizes one axis of a clip and crops it.

  Pixels have their centres at i + 1/2. Output pixel o lies at
  f = (o + offset + 1/2) length / scaled - 1/2 of the content and takes from
  its pixel i the weight max(0, 1 - |f - i| / max(length / scaled, 1)), to sum
  1 over the content alone: as `jax.image.resize(method='linear')` of the
  content by itself. The identity where nothing is to change.

  Args:
    side: R, of input and output.
    begin: [] first pixel of the content in the input.
    length: [] of the content.
    scaled: [] its length once resized.
    offset: [] where the crop begins in the resized content.

  Returns:
    float32 [R, R]; rows beyond the resized content are arbitrary but finite.
  """
  stretch = jnp.maximum(length, 1) / jnp.maximum(scaled, 1)
  place = (jnp.arange(side) + offset + 0.5) * stretch - 0.5
  pixel = jnp.arange(side) - begin
  distance = jnp.abs(place[:, None] - pixel) / jnp.maximum(stretch, 1.0)
  weights = jnp.maximum(1.0 - distance, 0.0)
  weights *= (pixel >= 0) & (pixel < length)
  return weights / jnp.maximum(weights.sum(axis=1, keepdims=True), 1e-6)


def _resample(video: jax.Array, geometry: dict[str, jax.Array]) -> jax.Array:
  """Returns one clip [t, R, R, 3] resized, cropped and mirrored, float32."""
  side = video.shape[-2]
  (top, left), (height, width) = geometry['begin'], geometry['length']
  flip = geometry['flip']
  # Mirroring the square takes the content to its right end.
  video = jnp.where(flip, pix.flip_left_right(video), video)
  begins = top, jnp.where(flip, side - width - left, left)
  rows, columns = (
    resampling_matrix(side, begin, length, scaled, offset)
    for begin, length, scaled, offset in zip(
      begins, (height, width), geometry['scaled'], geometry['offset']
    )
  )
  # Bytes are exact in any precision; fractional weights need all of float32.
  video = video.astype(jnp.float32)
  precision = jax.lax.Precision.HIGHEST
  video = jnp.einsum('yi,tijc->tyjc', rows, video, precision=precision)
  return jnp.einsum('xj,tyjc->tyxc', columns, video, precision=precision)


def _normalise(
  video: jax.Array, size: jax.Array, augment: Augment
) -> jax.Array:
  """Returns (video - mean) / std, padded; video is [b, ..., R, R, 3]."""
  mean, std = jnp.array(augment.mean), jnp.array(augment.std)
  video = (video - mean) / std
  inside = jnp.arange(video.shape[-2]) < size[..., None]
  inside = inside[:, 0, :, None] & inside[:, 1, None, :]
  between = tuple(range(1, video.ndim - 3))
  inside = jnp.expand_dims(inside, (*between, video.ndim - 1))
  return jnp.where(inside, video, augment.pad_value).astype(augment.dtype)


def _follow(boxes: jax.Array, geometry: dict[str, jax.Array]) -> jax.Array:
  """Takes boxes [n, 4] from fractions of the content to pixels of the input.

  Mirrored, [x1, x2] is [1 - x2, 1 - x1].
  """
  mirrored = jnp.stack(
    [1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1
  )
  boxes = jnp.where(geometry['flip'], mirrored, boxes)
  scale = jnp.tile(geometry['scaled'][::-1], 2)
  return boxes * scale - jnp.tile(geometry['offset'][::-1], 2)


def jitter_boxes(key: jax.Array, boxes: jax.Array, *, ratio: float):
  """Moves each edge of boxes [n, 4] by U(-ratio, ratio) times its side.

  The four draws are independent; x edges move by widths, y edges by heights.
  """
  sides = jnp.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))
  draws = jax.random.uniform(key, boxes.shape, minval=-ratio, maxval=ratio)
  return boxes + draws * sides


def _clip_boxes(
  boxes: jax.Array, valid: jax.Array, size: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Clips boxes [n, 4] to the content and drops those that become empty."""
  limit = jnp.tile(size[::-1], 2).astype(jnp.float32)
  boxes = jnp.clip(boxes, 0.0, limit)
  valid &= jnp.all(boxes[:, :2] < boxes[:, 2:], axis=1)
  return jnp.where(valid[:, None], boxes, 0.0), valid
