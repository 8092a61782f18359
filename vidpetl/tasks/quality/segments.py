"""A video as overlapping segments, each of which the backbone encodes.

published as             frames  starts               length
USDL, MUSDL on MTL-AQA      103  0, 10, …, 80, 87         16
CoRe on MTL-AQA             103  0, 10, …, 80, 86         16
USDL, MUSDL on JIGSAWS      160  0, 16, …, 144            16
TSA on FineDiving            96  0, 10, …, 80             16
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vidpetl.backbones import features as features_lib


def cut(video: jax.Array, starts: Sequence[int], length: int) -> jax.Array:
  """Returns the segments of videos.

  Args:
    video: [..., t, h, w, c].
    starts: first frame of each of s segments.
    length: frames of a segment.

  Returns:
    [..., s, length, h, w, c].
  """
  parts = [video[..., a : a + length, :, :, :] for a in starts]
  return jnp.stack(parts, axis=-5)


def without_each(features: features_lib.Features) -> features_lib.Features:
  """Returns the features of videos that lack a segment, one after another.

  In the place of the segment that is left out is the mean of the others: a head
  that averages segments then averages the others alone, and one for which their
  order counts finds each of them in its place.

  Args:
    features: of s > 1 segments, [b, s, ...].

  Returns:
    [b s, s, ...]; of each video s in the order of what they lack.
  """

  def one(x):
    b, s = x.shape[:2]
    mean = (x.sum(1, keepdims=True) - x) / (s - 1)
    out = jnp.eye(s, dtype=bool).reshape(1, s, s, *[1] * (x.ndim - 2))
    return jnp.where(out, mean[:, :, None], x[:, None]).reshape(
      b * s, *x.shape[1:]
    )

  return jax.tree.map(one, features)


def check(
  starts: Sequence[int], length: int, frames: int, task: str, clip: str
) -> None:
  """Raises ValueError if a segment is not within the clip.

  Args:
    starts: of the segments.
    length: of a segment.
    frames: of the clip.
    task: its name in the config.
    clip: 'clip' or 'eval_clip'.
  """
  if not starts or length < 1:
    raise ValueError(
      f'config.tasks.{task}.starts is {tuple(starts)} and length is {length}: '
      'there must be a segment, of at least one frame.'
    )
  for start in starts:
    if start < 0 or start + length > frames:
      raise ValueError(
        f'config.tasks.{task}.starts has {start}: a segment of frames {start} '
        f'to {start + length - 1} is not within config.tasks.{task}.{clip}.'
        f'frames={frames}, which are 0 to {frames - 1}.'
      )
