"""Windows of a grid: cut, shifted or not, and put together again.

The zeros of padding take part in the attention of windows that are not
shifted. Tokens in front of the grid join every window, and what the windows
make of them is averaged.
"""

from __future__ import annotations

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import devices, meshes
from vidpetl.backbones import site as site_lib

Size = site_lib.Size

# Added to the scores of tokens of two parts, as published (Liu et al. 2021).
APART = -100.0

_WINDOWS = 'b (t i) (h j) (w k) d -> b (t h w) (i j k) d'
_VOLUME = 'b (t h w) (i j k) d -> b (t i) (h j) (w k) d'


def parts(sizes: Size, window: Size, shift: Size) -> np.ndarray:
  """Returns which part of the grid each token is of, [windows, n], from 1 on.

  A cyclic shift brings tokens together that are no neighbours; they are told
  apart by the part of each axis that they come from.

  Args:
    sizes: of the padded grid.
    window: its windows.
    shift: how far it was rolled.
  """
  label = np.zeros(sizes, np.int32)
  for axis, (size, length, by) in enumerate(zip(sizes, window, shift)):
    place = np.arange(size)
    part = (place >= size - length).astype(int) + (place >= size - by)
    shape = [1] * 3
    shape[axis] = size
    label = 3 * label + (part if by else 0 * part).reshape(shape)
  shape = dict(zip('ijk', window))
  label = einops.rearrange(label[None, ..., None], _WINDOWS, **shape)
  return 1 + label[0, ..., 0].astype(np.int32)


def in_front(x: jax.Array, length: int) -> jax.Array:
  """Adds zeros to the last axis, in front, up to a length."""
  return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(length - x.shape[-1], 0)])


def apart(queries: jax.Array, keys: jax.Array) -> jax.Array:
  """Returns what is added to scores; 0 within a part, and of part 0.

  Args:
    queries: [..., n, 1], the part that each is of.
    keys: [..., 1, m], the same.
  """
  differ = (queries != keys) & (queries > 0) & (keys > 0)
  return jnp.where(differ, APART, 0.0)


def cut(x: jax.Array, window: Size, shift: Size) -> jax.Array:
  """Returns the windows [b, windows, n, d] of a grid [b, t, h, w, d].

  They lie `shift` tokens behind the beginning of the grid, whose first tokens
  are in the last windows.
  """
  if devices.current().platform == 'tpu':
    return _moved('cut', x, x.shape[1:4], window, shift)
  if any(shift):
    x = jnp.roll(x, [-by for by in shift], (1, 2, 3))
  return einops.rearrange(x, _WINDOWS, **dict(zip('ijk', window)))


def put(x: jax.Array, sizes: Size, window: Size, shift: Size) -> jax.Array:
  """Returns the grid [b, t, h, w, d] whose windows `cut` has returned."""
  if devices.current().platform == 'tpu':
    return _moved('put', x, sizes, window, shift)
  counts = {a: size // w for a, size, w in zip('thw', sizes, window)}
  x = einops.rearrange(x, _VOLUME, **counts, **dict(zip('ijk', window)))
  return jnp.roll(x, shift, (1, 2, 3)) if any(shift) else x


def _moved(name, x, sizes, window, shift):
  """Moves tokens of each device by a kernel."""
  # Kernels are slow to import, and needed on TPUs alone.
  from vidpetl.backbones import window_kernels  # noqa: PLC0415

  room = devices.room(devices.current())
  how = window_kernels.make(sizes, window, shift, x.shape[-1], room)
  move = getattr(window_kernels, name)
  return meshes.on_each(lambda x: move(x, how), (x,))


def fit(window: Size, shift: Size, sizes: Size) -> tuple[Size, Size]:
  """Returns window and shift for a grid, which may be smaller than a window."""
  fits = [size > length for size, length in zip(sizes, window)]
  return (
    tuple(w if f else s for w, s, f in zip(window, sizes, fits)),
    tuple(by if f else 0 for by, f in zip(shift, fits)),
  )


def attend(
  attention: nn.Module,
  lead: jax.Array,
  volume: jax.Array,
  window: Size,
  shift: Size,
) -> tuple[jax.Array, jax.Array]:
  """Attends within windows of [b, t, h, w, d], and of lead tokens [b, l, d]."""
  b, *sizes, d = volume.shape
  x = pad(volume, window)
  padded = x.shape[1:4]
  apart = parts(padded, window, shift) if any(shift) else None
  x = cut(x, window, shift)
  n = lead.shape[-2]
  if n:
    everywhere = jnp.broadcast_to(lead[:, None], (b, x.shape[1], n, d))
    x = jnp.concatenate([everywhere, x], axis=-2)
  x = attention(x, True, apart)
  lead, x = x[:, :, :n].mean(1), x[:, :, n:]
  x = put(x, padded, window, shift)
  t, h, w = sizes
  return lead, x[:, :t, :h, :w]


def pad(x: jax.Array, multiple: Size) -> jax.Array:
  """Appends zeros to [b, t, h, w, d] up to a multiple along t, h and w."""
  after = [-size % part for size, part in zip(x.shape[1:4], multiple)]
  if not any(after):
    return x
  return jnp.pad(x, [(0, 0), *((0, n) for n in after), (0, 0)])
