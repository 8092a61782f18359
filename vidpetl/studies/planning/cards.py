"""Devices by name: memory, products a second, bytes a second.

Figures are those of the makers' data sheets, for dense products in bfloat16
with sums in float32 (of a T4: float16, as it has no bfloat16), and for float32
as it is computed by default.
"""

from __future__ import annotations

import dataclasses
import timeit
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from vidpetl import heap, options
from vidpetl.backbones import attending
from vidpetl.studies.pods import gpus, topologies

GIB = 2**30
THIS = 'this'
_TERA, _GIGA = 1e12, 1e9


@dataclasses.dataclass(frozen=True)
class Card:
  """A device, or several that train together.

  Attributes:
    name: of it.
    platform: 'gpu', 'tpu' or 'cpu'.
    memory: bytes of one.
    products: FLOPs a second of one, at most: dtype -> figure.
    bandwidth: bytes a second of one's memory.
    count: how many there are.
    generation: of NVIDIA's, compute capability.
  """

  name: str
  platform: str
  memory: float
  products: dict[str, float]
  bandwidth: float
  count: int = 1
  generation: str = ''

  @property
  def meant(self) -> Any:
    """What `devices.meant` takes, to trace for it."""
    return types.SimpleNamespace(
      platform=self.platform,
      compute_capability=self.generation,
      ways=(_FUSED,) if self.platform == 'gpu' else (),
    )


# TFLOP/s in bfloat16 and in float32.
_PRODUCTS = {
  't4': (65, 8.1), 'l4': (121, 60), 'rtx3090': (71, 35.6),
  'rtx4090': (165, 82.6), 'l40s': (362, 183), 'a100-40': (312, 156),
  'a100-80': (312, 156), 'h100': (989, 495), 'h200': (989, 495),
}  # fmt: skip


def _gpu(name: str, chip: gpus.Chip) -> Card:
  half, full = _PRODUCTS[name]
  products = {'bfloat16': half * _TERA, 'float32': full * _TERA}
  return Card(
    name, 'gpu', chip.memory * GIB, products, chip.bandwidth * _GIGA,
    generation=chip.generation,
  )  # fmt: skip


_GPUS = {name: _gpu(name, chip) for name, chip in gpus.CHIPS.items()}
# FLOPs in bfloat16 and bytes a second of one chip. Products in float32 are
# computed in bfloat16 there, unless told otherwise.
_TPUS = {
  'v4': (275, 1228), 'v5e': (197, 819), 'v5p': (459, 2765), 'v6e': (918, 1640),
}  # fmt: skip


def names() -> list[str]:
  """Returns the names of all devices."""
  return [*_GPUS, *topologies.names(), THIS]


def find(name: str) -> Card:
  """Returns a device by its name; 'this' is the one that is here.

  Raises:
    ValueError: listing those there are.
  """
  if name == THIS:
    return here()
  if there := gpus.find(name):
    card = _GPUS[there.kind]
    return dataclasses.replace(card, name=name, count=there.chips)
  part = topologies.find(name)
  if part is None:
    raise ValueError(
      f'--device={name}: there are {", ".join(names())}; several GPUs of a '
      f'host with -2 to -{gpus.MOST} behind the name'
      f'{options.nearest(name, names())}'
    )
  products, bandwidth = _TPUS[part.generation]
  both = dict.fromkeys(('bfloat16', 'float32'), products * _TERA)
  return Card(
    name, 'tpu', part.memory, both, bandwidth * _GIGA, count=part.chips
  )


def here() -> Card:
  """Returns what is here; how fast it is, is measured."""
  device = jax.devices()[0]
  stats = device.memory_stats() or {}
  return Card(
    THIS,
    device.platform,
    stats.get('bytes_limit') or heap.ram(),
    {kind: _products(jnp.dtype(kind)) for kind in ('bfloat16', 'float32')},
    _bandwidth(),
    jax.device_count(),
    str(getattr(device, 'compute_capability', '')),
  )


def _products(dtype: Any) -> float:
  """Returns the FLOPs a second of a product here."""
  n = 1024 if jax.default_backend() == 'cpu' else 8192
  x = jnp.ones((n, n), dtype)
  return 2 * n**3 / _seconds(jax.jit(lambda x: x @ x), x)


def _bandwidth() -> float:
  """Returns the bytes a second that are read and written here."""
  x = jnp.ones(2**26, jnp.float32)
  return 2 * x.nbytes / _seconds(jax.jit(lambda x: x + 1), x)


def _seconds(function: Callable[[Any], Any], x: Any) -> float:
  """Returns the least time of a few calls."""
  jax.block_until_ready(function(x))
  call = lambda: jax.block_until_ready(function(x))
  return min(timeit.repeat(call, number=1, repeat=3))


@jax.custom_vjp
def _fused(q, k, v, bias):
  return _kernel(_like(q, width=v.shape[-1]), q, k, v, bias)


def _forward(q, k, v, bias):
  # The sums of rows, which a kernel keeps beside its operands and result.
  sums = jax.ShapeDtypeStruct(q.shape[:-1], jnp.float32)
  y, sums = _kernel((_like(q, width=v.shape[-1]), sums), q, k, v, bias)
  return y, (q, k, v, bias, y, sums)


def _backward(kept, g):
  bias = kept[3]
  made = _kernel([_like(x) for x in jax.tree.leaves(kept[:4])], *kept, g)
  return (*made, None) if bias is None else tuple(made)


def _like(x, width=None):
  return jax.ShapeDtypeStruct((*x.shape[:-1], width or x.shape[-1]), x.dtype)


def _kernel(makes, *args):
  """Something that makes arrays of others, and is not looked into."""
  return jax.ffi.ffi_call('attention', makes)(*jax.tree.leaves(args))


_fused.defvjp(_forward, _backward)


def _attend(q, k, v, bias, cap=None, parts=None):
  """Stands for cuDNN's kernel, which cannot be traced without a GPU.

  It keeps as much, biases of all windows in 16 bits included.
  """
  del cap  # None.
  if bias is not None:
    rows = () if parts is None else parts.shape[:-1]
    bias = bias.astype(q.dtype)
    bias = jnp.broadcast_to(bias, (*rows, *bias.shape[-3:]))
  return _fused(q, k, v, bias)


_FUSED = attending.Way('stand-in of cudnn', attending.takes_cudnn, _attend)
