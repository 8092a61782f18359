"""What is compiled for: attention and convolutions have a form for each."""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Iterator
from typing import Any

import jax

# A program for whatever device it will be on, and one without any kernel that
# only one kind of device has.
ANY = types.SimpleNamespace(platform='any')
CPU = types.SimpleNamespace(platform='cpu')

# Lanes of a TPU's registers of 32 bits, and of tiles that its arrays lie in,
# and rows of them.
LANES, ROWS = 128, 8
# Bytes on the chip that a kernel may ask for where there is more than a v4 has,
# and those that kernels take, of the 16 MiB of a v4 and of these.
MOST_ROOM = 32 * 2**20
SMALL_ROOM, LARGE_ROOM = 15 * 2**20, 28 * 2**20

_meant: contextvars.ContextVar[Any] = contextvars.ContextVar(
  'meant', default=None
)


def current() -> Any:
  """Returns what is compiled for: what is `meant`, or the mesh's devices."""
  if meant := _meant.get():
    return meant
  there = jax.devices()[0]
  mesh = jax.sharding.get_abstract_mesh().abstract_device
  if mesh is None or mesh.platform == there.platform:
    return there
  return mesh


def room(on: Any) -> int:
  """Returns bytes on a TPU's chip that a kernel may take.

  Args:
    on: the TPU; one that is only planned for may have no kind.
  """
  v4 = getattr(on, 'device_kind', '') == 'TPU v4'
  return SMALL_ROOM if v4 else LARGE_ROOM


@contextlib.contextmanager
def meant(device: Any) -> Iterator[None]:
  """What is traced within is for a device, whatever there is here.

  Args:
    device: with `platform`; `ANY`, `CPU`, or a real one.
  """
  token = _meant.set(device)
  try:
    yield
  finally:
    _meant.reset(token)
