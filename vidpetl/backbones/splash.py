"""Attention without its scores in memory, on TPUs: JAX's splash kernel.

Written out, a row of n queries and m keys moves some 16 bytes a score and head
through memory (float32 written and read twice, weights in 16 bits written and
read) for the 4 c FLOPs of its products, which take a TPU v5e 16 times as long
as those. The kernel keeps blocks of scores on the chip. What it costs instead
is a third of a microsecond a block, and rows filled up to multiples of 128.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from vidpetl.backbones import meshes
from vidpetl.backbones.devices import LANES

# Fewer keys fill few blocks, and little of them: of 197 keys, 256 are attended
# to, and a block takes as long as the bytes that it saves.
_FEWEST_KEYS = 512
# Blocks of 1024 x 1024 scores in float32 are 4 MiB, of the 16 MiB that a kernel
# has on the chip.
_LARGEST = 8
# To begin a block takes a third of a microsecond: as long as the products of
# some 4 x 128 x 128 scores, or 2 on either side.
_BEGIN = 2
# Channels of a head, and queries, that the kernel is for.
_WIDEST, _FEWEST_QUERIES = 128, 128


def takes(shapes: Any, on: Any) -> bool:
  """Whether the kernel takes them, and is worth it: see `attending.Way`."""
  return (
    on.platform == 'tpu'
    and not shapes.biased
    and shapes.dtype in (jnp.bfloat16, jnp.float32)
    and shapes.width <= _WIDEST
    and shapes.queries >= _FEWEST_QUERIES
    and shapes.keys >= _FEWEST_KEYS
  )


def attend(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  bias: None = None,
  cap: float | None = None,
  interpret: bool = False,
) -> jax.Array:
  """softmax(q k^T / sqrt(c)) v, with the softmax in float32.

  Args:
    q: [b, ..., n, heads, c].
    k: [b, ..., m, heads, c].
    v: [b, ..., m, heads, c].
    bias: none.
    cap: of the scores, see `attending.attend`.
    interpret: runs on any device, slowly.

  Returns:
    [b, ..., n, heads, c] in the dtype of `v`.
  """
  del bias
  own = functools.partial(_rows, cap=cap, interpret=interpret)
  return meshes.on_each(own, (q, k, v))


def _rows(q, k, v, *, cap, interpret):
  """Attends on one device."""
  n, m, c = q.shape[-3], k.shape[-3], v.shape[-1]
  queries, keys = block(n), block(m)

  def heads_first(x, size):
    x = x.reshape(-1, *x.shape[-3:]).swapaxes(1, 2)
    more = [(0, 0), (0, 0), (0, -x.shape[2] % size), (0, -x.shape[3] % LANES)]
    return jnp.pad(x, more)

  scaled = q * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
  y = _kernel(
    heads_first(scaled, queries),
    heads_first(k, keys),
    heads_first(v, keys),
    (queries, keys),
    m,
    cap,
    interpret,
  )
  return y[:, :, :n, :c].swapaxes(1, 2).reshape(*q.shape[:-1], c)


def _kernel(q, k, v, blocks, keys, cap, interpret):
  """Attends to the first `keys` of the keys; q, k, v are [rows, heads, …]."""
  # Slow to import, and needed on TPUs alone.
  from jax.experimental.pallas.ops.tpu.splash_attention import (  # noqa: PLC0415
    splash_attention_kernel as kernels,
  )
  from jax.experimental.pallas.ops.tpu.splash_attention import (  # noqa: PLC0415
    splash_attention_mask as masks,
  )

  heads, n, m = q.shape[1], q.shape[2], k.shape[2]
  sizes = kernels.BlockSizes(
    block_q=blocks[0],
    block_kv=blocks[1],
    block_kv_compute=blocks[1],
    block_q_dkv=blocks[0],
    block_kv_dkv=blocks[1],
    block_kv_dkv_compute=blocks[1],
    # One kernel backward makes the scores once, not twice.
    use_fused_bwd_kernel=True,
  )
  attend = kernels.make_splash_mha_single_device(
    masks.MultiHeadMask([masks.FullMask((n, m))] * heads),
    block_sizes=sizes,
    attn_logits_soft_cap=cap,
    interpret=interpret,
  )
  if keys == m:
    return jax.vmap(attend)(q, k, v)
  # Queries attend to keys of their own segment.
  ids = kernels.SegmentIds(
    jnp.zeros(n, jnp.int32), (jnp.arange(m) >= keys).astype(jnp.int32)
  )
  return jax.vmap(attend, (0, 0, 0, None))(q, k, v, ids)


def block(length: int) -> int:
  """Returns the size of blocks that rows of a length are filled up to.

  The least of what there is to attend to, and of blocks to begin.
  """
  sizes = range(1, _LARGEST + 1)
  cost = lambda size: -(-length // (size * LANES)) * (size + _BEGIN)
  return LANES * min(sizes, key=cost)
