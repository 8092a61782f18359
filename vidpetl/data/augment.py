"""What happens to a batch on the device before the backbone sees it.

Scale jitter resizes a clip by one factor and crops what no longer fits, which
together with the padding below and right gives R x R again; then the clip may
be mirrored, and boxes perturbed. Boxes follow their pixels through all of it.
It is for clips that show whole frames; those that are cropped were cropped in
the source's frame (`vidpetl.data.framing`), and are only mirrored. RandAugment
comes before all this, on bytes; colours change after it. Erasing and the mixing
of clips come last, on what is normalised.

Scale jitter and mirroring are one resampling per axis, video' = Y video X^T,
with X and Y made per clip: two matrix products that an accelerator does at full
speed, with shapes that do not depend on the drawn scale.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.data import affine, color, erasing, mixing, placement, rand_augment
from vidpetl.data import boxes as boxes_lib

Batch = dict[str, jax.Array]
# Ranges: (low, high).
_Scales = Annotated[tuple[ranges.Positive, ranges.Positive], ranges.Rising()]
_Parts = Annotated[tuple[ranges.Part, ranges.Part], ranges.Rising()]
_DTYPES = ('float32', 'bfloat16', 'float16')


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
    color_jitter: (brightness, contrast, saturation, hue), see `color`, or None
      for none.
    color_jitter_p: probability of it.
    color_jitter_per_frame: draw it for each frame, not for each clip.
    grayscale: probability that a clip becomes grey.
    rand_augment: (operations, magnitude, its standard deviation), or None for
      none; (4, 7, 0.5) is timm's 'rand-m7-n4-mstd0.5-inc1'. For clips without
      boxes.
    rand_augment_p: probability of each operation.
    rand_augment_fill: level of what its changes of place uncover.
    rand_augment_interpolation: of those, 'bilinear' or 'bicubic'.
    erasing: probability that a box of a clip is erased.
    erasing_fill: 'pixel' for N(0, 1) of every value, 'const' for 0.
    erasing_area: range of the box's share of the content's area.
    erasing_ratio: range of its width over its height, drawn log-uniformly.
    mixup: alpha of mixup, 0 for none. For tasks with labels, and clips without
      boxes; needs an even number of clips in each part of a batch.
    cutmix: alpha of CutMix, 0 for none, likewise.
    mixing_p: probability that a clip is mixed with another.
    cutmix_p: probability that it is so by CutMix, where there are both.
  """

  scale_jitter: _Scales | None = (0.65, 1.1)
  box_jitter: Annotated[float, ranges.Between(0, 0.5, '[)')] = 0.15
  flip: bool = True
  mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
  std: tuple[ranges.Positive, ranges.Positive, ranges.Positive] = (
    0.5,
    0.5,
    0.5,
  )
  pad_value: float = 0.0
  dtype: Annotated[str, ranges.OneOf(_DTYPES)] = 'float32'
  color_jitter: color.Strengths | None = None
  color_jitter_p: ranges.Share = 1.0
  color_jitter_per_frame: bool = False
  grayscale: ranges.Share = 0.0
  rand_augment: rand_augment.Settings | None = None
  rand_augment_p: ranges.Share = 0.5
  rand_augment_fill: Annotated[int, ranges.Between(0, 255)] = 128
  rand_augment_interpolation: Annotated[
    str, ranges.OneOf(affine.INTERPOLATIONS)
  ] = 'bicubic'
  erasing: ranges.Share = 0.0
  erasing_fill: Annotated[str, ranges.OneOf(erasing.FILLS)] = 'pixel'
  erasing_area: _Parts = (0.02, 1 / 3)
  erasing_ratio: _Scales = (0.3, 1 / 0.3)
  mixup: ranges.Number = 0.0
  cutmix: ranges.Number = 0.0
  mixing_p: ranges.Share = 1.0
  cutmix_p: ranges.Share = 0.5

  def __post_init__(self):
    # A config's lists, so that this stays hashable: it is static under jit.
    for field, value in vars(self).items():
      if isinstance(value, list):
        object.__setattr__(self, field, tuple(value))
    options.hold_fields(self, 'augment')

  @property
  def changes_colors(self) -> bool:
    return self.color_jitter is not None or self.grayscale > 0

  @property
  def mixes(self) -> bool:
    return self.mixup > 0 or self.cutmix > 0

  @property
  def of_rand_augment(self) -> dict[str, Any]:
    return {
      'settings': self.rand_augment,
      'p': self.rand_augment_p,
      'fill': self.rand_augment_fill,
      'interpolation': self.rand_augment_interpolation,
    }

  @property
  def of_erasing(self) -> dict[str, Any]:
    return {
      'p': self.erasing,
      'fill': self.erasing_fill,
      'areas': self.erasing_area,
      'ratios': self.erasing_ratio,
    }

  @property
  def of_mixing(self) -> dict[str, Any]:
    return {
      'mixup': self.mixup,
      'cutmix': self.cutmix,
      'p': self.mixing_p,
      'cutmix_p': self.cutmix_p,
    }


@functools.partial(jax.jit, static_argnames=('augment', 'train'))
def preprocess(batch: Batch, augment: Augment, *, train: bool) -> Batch:
  """Returns a batch as the backbone takes it.

  Args:
    batch: `video` uint8 [b, t, R, R, 3] or, with two clips of each example,
      [b, 2, t, R, R, 3] or, at evaluation, with several views
      [b, v, t, R, R, 3]; `size` int32 [b, 2], height and width of the content;
      `seed` uint32 [b, 2]; where there are boxes, `boxes` [b, n, 4] as
      fractions of the content and `box_valid` [b, n]; where clips are to be
      mixed, `valid` [b]. Other keys pass through.
    augment: settings.
    train: whether to augment; every example by its own `seed`, and each of two
      clips by draws of its own.

  Returns:
    The batch with `video` normalised, `augment.pad_value` outside of the
    content; `size` of the content now, [b, 2, 2] of augmented pairs; `boxes` as
    x1, y1, x2, y2 in pixels of the R x R input, zeros where not valid;
    `box_valid` False also for boxes that were cropped away; of mixed clips,
    what `mixing.targets` needs.

  Raises:
    ValueError: for a video that is not of bytes.
  """
  if batch['video'].dtype != jnp.uint8:
    raise ValueError(
      f'the video is of {batch["video"].dtype}: clips are uint8, of 0 to 255. '
      'Of floats in [0, 1], np.uint8(np.round(255 * video)) makes them.'
    )
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
  if augment.mixes:
    raise ValueError('mixup and cutmix are not for two clips of an example')
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
  if not train:
    geometry = placement.unchanged(batch['size'])
    video = batch['video'].astype(jnp.float32) / 255.0
    video = _normalise(video, batch['size'], augment)
    return batch | {'video': video} | _place_boxes(batch, geometry)
  if 'boxes' in batch:
    _check_boxes(augment)
  # 0 and 1, which are split off, are of places and boxes.
  place_keys, box_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
  fold = jax.vmap(jax.random.fold_in, (0, None))
  video = batch['video']
  if augment.rand_augment is not None:
    video = rand_augment.augment(
      fold(keys, 3), video, batch['size'], **augment.of_rand_augment
    )
  draw = functools.partial(
    placement.draw,
    scales=augment.scale_jitter,
    flip=augment.flip,
    side=video.shape[-2],
  )
  geometry = jax.vmap(draw)(place_keys, batch['size'])
  if augment.flip or augment.scale_jitter is not None:
    place = _mirror if augment.scale_jitter is None else _place
    video = jax.vmap(place)(video, batch['size'], geometry)
  video = video.astype(jnp.float32) / 255.0
  out = batch | {'size': geometry['size']}
  if augment.changes_colors:
    change = functools.partial(
      color.augment,
      strengths=augment.color_jitter,
      p=augment.color_jitter_p,
      per_frame=augment.color_jitter_per_frame,
      grayscale=augment.grayscale,
    )
    video = jax.vmap(change)(fold(keys, 2), video, out['size'])
  video = _normalise(video, out['size'], augment)
  if augment.erasing:
    video = erasing.augment(
      fold(keys, 4), video, out['size'], **augment.of_erasing
    )
  if augment.mixes:
    video, out[mixing.SHARE] = mixing.augment(
      fold(keys, 5), video, out['size'], batch['valid'], **augment.of_mixing
    )
  boxes = _place_boxes(batch, geometry, box_keys, augment.box_jitter)
  return out | {'video': video} | boxes


def _check_boxes(augment: Augment) -> None:
  """Raises ValueError for what is not for clips with boxes."""
  for field, other in (
    ('rand_augment', 'it moves people out of their boxes; use color_jitter'),
    ('mixup', 'boxes have one clip'),
    ('cutmix', 'boxes have one clip'),
  ):
    value = getattr(augment, field)
    if value:
      raise ValueError(f'{field}={value} is not for clips with boxes: {other}')


def _place_boxes(
  batch: Batch,
  geometry: placement.Placement,
  keys: jax.Array | None = None,
  ratio: float = 0.0,
) -> Batch:
  """Returns the boxes, if there are any, where their pixels are now."""
  if 'boxes' not in batch:
    return {}
  boxes = jax.vmap(boxes_lib.follow)(batch['boxes'], geometry)
  if ratio:
    jitter = functools.partial(boxes_lib.jitter, ratio=ratio)
    boxes = jax.vmap(jitter)(keys, boxes)
  boxes, valid = jax.vmap(boxes_lib.clip)(
    boxes, batch['box_valid'], geometry['size']
  )
  return {'boxes': boxes, 'box_valid': valid}


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


def _place(
  video: jax.Array, size: jax.Array, geometry: dict[str, jax.Array]
) -> jax.Array:
  """Returns one clip [t, R, R, 3] resized, cropped and mirrored, float32."""
  side, flip = video.shape[-2], geometry['flip']
  height, width = size
  # Mirroring the square takes the content to its right end.
  begins = 0, jnp.where(flip, side - width, 0)
  rows, columns = (
    resampling_matrix(side, begin, length, scaled, offset)
    for begin, length, scaled, offset in zip(
      begins, (height, width), geometry['scaled'], geometry['offset']
    )
  )
  # It is the columns' matrix that is mirrored, which is smaller.
  columns = jnp.where(flip, columns[:, ::-1], columns)
  # Bytes are exact in any precision; fractional weights need all of float32.
  video = video.astype(jnp.float32)
  precision = jax.lax.Precision.HIGHEST
  video = jnp.einsum('yi,tijc->tyjc', rows, video, precision=precision)
  return jnp.einsum('xj,tyjc->tyxc', columns, video, precision=precision)


def _mirror(
  video: jax.Array, size: jax.Array, geometry: dict[str, jax.Array]
) -> jax.Array:
  """Returns one clip [t, R, R, 3] mirrored, float32: `_place` without scale."""
  place = jnp.arange(video.shape[-2])
  source = jnp.where(geometry['flip'], size[1] - 1 - place, place)
  # Of bytes a product with ones is exact in any precision, and a TPU moves far
  # less for it than to turn rows over and to shift them.
  columns = jax.nn.one_hot(source, video.shape[-2])
  return jnp.einsum('xj,tyjc->tyxc', columns, video.astype(jnp.float32))


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
