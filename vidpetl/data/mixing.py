"""Mixup and CutMix of clips, on the device.

Zhang et al., mixup: Beyond empirical risk minimization, 2018, and Yun et al.,
CutMix, 2019, as timm has them, with draws of each clip's own (its mode 'elem').
Row i of a batch of b is mixed with row i + b/2, modulo b. So the batch is the
same on any number of devices. Gradient accumulation takes every k-th row, and
leaves partners together, half a part apart; pairs from the ends of the batch,
row i with b - 1 - i, would be torn apart.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from vidpetl.data import erasing

# The key of a batch that says how much of each row's clip is its own.
SHARE = 'own_share'


def partner(rows: jax.Array) -> jax.Array:
  """Returns the partner of each row of a batch [b, ...]."""
  return jnp.roll(rows, len(rows) // 2, axis=0)


def targets(own: jax.Array, batch: dict[str, jax.Array]) -> jax.Array:
  """Returns the targets of clips as they are mixed.

  Args:
    own: [b, c], of each row before.
    batch: after `augment.preprocess`.
  """
  if SHARE not in batch:
    return own
  share = batch[SHARE][:, None]
  return share * own + (1 - share) * partner(own)


def augment(
  keys: jax.Array,
  video: jax.Array,
  size: jax.Array,
  valid: jax.Array,
  *,
  mixup: float,
  cutmix: float,
  p: float,
  cutmix_p: float,
) -> tuple[jax.Array, jax.Array]:
  """Mixes each clip with its partner.

  With x the clip and y its partner, mixup is s x + (1 - s) y all over the
  content of x, and CutMix is x with a box of y, which lies in what is content
  of both.

  Args:
    keys: [b].
    video: [b, t, R, R, 3], normalised.
    size: int32 [b, 2], height and width of the content.
    valid: bool [b], whether there is something in the row. Only with such a
      partner a clip is mixed.
    mixup: alpha of s ~ Beta(alpha, alpha); 0 for none.
    cutmix: alpha of CutMix's s; 0 for none.
    p: probability that a clip is mixed.
    cutmix_p: probability that it is by CutMix, where there is both.

  Returns:
    The videos; the share s of each that is its own, float32 [b].

  Raises:
    ValueError: if rows have no partners.
  """
  if len(video) % 2:
    raise ValueError(
      f'mixup and cutmix need an even number of clips, not {len(video)}: '
      'config.batch_size / config.accumulate'
    )
  draw_all = jax.vmap(
    functools.partial(draw, mixup=mixup, cutmix=cutmix, p=p, cutmix_p=cutmix_p)
  )
  share, own, begin, end = draw_all(keys, size, partner(size), partner(valid))
  inside = jax.vmap(functools.partial(erasing.inside, side=video.shape[-2]))
  box = inside(begin, end)[:, None]
  own = own[:, None, None, None, None]
  mixed = own * video + (1 - own) * partner(video)
  return jnp.where(box, mixed, video).astype(video.dtype), share


def draw(
  key: jax.Array,
  size: jax.Array,
  other_size: jax.Array,
  other_valid: jax.Array,
  *,
  mixup: float,
  cutmix: float,
  p: float,
  cutmix_p: float,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Draws how one clip is mixed.

  Returns:
    The share of the clip that is its own, float32 []; the weight of its own
    pixels in a box, float32 []; the box's first row and column, int32 [2], and
    those behind it, [2].
  """
  key, mixup_key, cutmix_key = jax.random.split(key, 3)
  chance, way, *middle = jax.random.uniform(key, (4,))
  begin, end = jnp.zeros_like(size), size
  share = weight = jax.random.beta(mixup_key, mixup, mixup) if mixup else 1.0
  if cutmix:
    left = jax.random.beta(cutmix_key, cutmix, cutmix)
    box = _box(left, jnp.stack(middle), size)
    box = jnp.minimum(jnp.stack(box), other_size)
    area = jnp.maximum(jnp.prod(size.astype(jnp.float32)), 1.0)
    left = 1 - jnp.prod(box[1] - box[0]) / area
    cuts = way < (cutmix_p if mixup else 1.0)
    share, weight = jnp.where(cuts, left, share), jnp.where(cuts, 0.0, weight)
    begin, end = jnp.where(cuts, box, jnp.stack([begin, end]))
  mixed = (chance < p) & other_valid
  return jnp.where(mixed, share, 1.0), weight, begin, jnp.where(mixed, end, 0)


def _box(share, middle, size):
  """Returns a box's first row and column, and those behind it, int32 [2] each.

  Args:
    share: of the content that the box is to leave.
    middle: [2] in [0, 1), where its middle is in the content; what of the box
      lies outside of the content is cut off.
    size: int32 [2], height and width of the content.
  """
  length = jnp.floor(size * jnp.sqrt(1 - share)).astype(jnp.int32)
  middle = jnp.floor(middle * size).astype(jnp.int32)
  begin = middle - length // 2
  return jnp.clip(begin, 0, size), jnp.clip(begin + length, 0, size)
