"""What a step is compiled for: TPU slices, GPUs, and a CPU taken for a slice.

TPU slices have the names that Google Cloud gives them. 'cpu-8' are eight
devices of this CPU, which shows how a step is spread, without any compiler but
the one that is here.
"""

from __future__ import annotations

import dataclasses
import os
import re
import types
from collections.abc import Sequence
from typing import Any

import jax

from vidpetl import heap, options
from vidpetl.studies.pods import gpus
from vidpetl.studies.pods import part as part_lib

GIB = 2**30
# The most devices that are made of a CPU.
_OF_CPU = 64
# Chips -> how they are laid out, in a torus of three dimensions or of two.
_IN_3D = {
  4: (2, 2, 1), 8: (2, 2, 2), 16: (2, 2, 4), 32: (2, 4, 4), 64: (4, 4, 4),
  128: (4, 4, 8), 256: (4, 8, 8), 512: (8, 8, 8),
}  # fmt: skip
_IN_2D = {
  1: (1, 1), 4: (2, 2), 8: (2, 4), 16: (4, 4), 32: (4, 8), 64: (8, 8),
  128: (8, 16), 256: (16, 16),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Generation:
  """What all slices of a kind of TPU share.

  Attributes:
    layouts: chips -> how they are laid out.
    counted: what a slice's name counts of each chip: 2 cores, or 1.
    memory: bytes of a chip's HBM.
    clock: Hz, at which its multipliers make the peak of its data sheet; of v6e,
      for which that does not work out, v5p's.
    links: bytes a second that a chip sends to its neighbours, by all links:
      half of what data sheets count in both directions.
  """

  layouts: dict[int, Sequence[int]]
  counted: int
  memory: int
  clock: float
  links: float


# cloud.google.com/tpu/docs/system-architecture-tpu-vm
GENERATIONS = {
  'v4': Generation(_IN_3D, 2, 32 * GIB, 1.05e9, 300e9),
  'v5p': Generation(_IN_3D, 2, 95 * GIB, 1.75e9, 600e9),
  'v5e': Generation(_IN_2D, 1, 16 * GIB, 1.5e9, 200e9),
  'v6e': Generation(_IN_2D, 1, 32 * GIB, 1.75e9, 400e9),
}


@dataclasses.dataclass(frozen=True)
class Slice(part_lib.Part):
  """Chips that train together.

  Attributes:
    name: such as 'v5e-16' or 'v4-128'.
    generation: such as 'v5e'.
    layout: of its chips.
  """

  name: str
  generation: str
  layout: Sequence[int]

  platform = 'tpu'
  needs, extra = 'libtpu', 'tpu'
  # Others may compile at the same time; nobody is asked what there is here.
  environment = types.MappingProxyType(
    {'ALLOW_MULTIPLE_LIBTPU_LOAD': '1', 'TPU_SKIP_MDS_QUERY': '1'}
  )

  @property
  def chips(self) -> int:
    count = 1
    for size in self.layout:
      count *= size
    return count

  @property
  def memory(self) -> int:
    return GENERATIONS[self.generation].memory

  @property
  def clock(self) -> float:
    return GENERATIONS[self.generation].clock

  @property
  def links(self) -> float:
    return GENERATIONS[self.generation].links

  def devices(self) -> list[Any]:
    """Returns its chips, to compile for; needs libtpu."""
    from jax.experimental import topologies  # noqa: PLC0415

    shape = 'x'.join(map(str, self.layout))
    options = {}
    if len(self.layout) == 3:  # Both cores of a chip are one device.
      options = {'chip_config_name': 'megacore'}
    host = (*(min(size, 2) for size in self.layout[:2]), 1)
    if self.chips == 8 and len(self.layout) == 2:  # One host holds them all.
      host = (*self.layout, 1)
    found = topologies.get_topology_desc(
      platform='tpu',
      topology_name=f'{self.generation}:{shape}',
      chips_per_host_bounds=host,
      **options,
    )
    return found.devices


@dataclasses.dataclass(frozen=True)
class Host(part_lib.Part):
  """Devices of this CPU, that share its memory.

  Attributes:
    name: such as 'cpu-8'.
    chips: how many devices.
  """

  name: str
  chips: int

  platform = 'cpu'

  @property
  def environment(self) -> dict[str, str]:
    flag = f'--xla_force_host_platform_device_count={self.chips}'
    return {'XLA_FLAGS': f'{os.environ.get("XLA_FLAGS", "")} {flag}'}

  @property
  def memory(self) -> int:
    """Bytes of a device's part."""
    return heap.ram() // self.chips

  def devices(self) -> list[Any]:
    return jax.devices('cpu')[: self.chips]


def names() -> list[str]:
  """Returns the names of all slices of TPUs."""
  return [
    f'{name}-{chips * kind.counted}'
    for name, kind in GENERATIONS.items()
    for chips in kind.layouts
  ]


def target(name: str) -> part_lib.Part:
  """Returns what a step is compiled for.

  Args:
    name: of a slice, of a GPU, such as 'h100' or 'h100-8' for so many of a
      host, or 'cpu-8' for so many devices of this CPU.

  Raises:
    ValueError: listing those there are.
  """
  found = re.fullmatch(r'cpu-([1-9]\d?)', name)
  if found and int(found[1]) <= _OF_CPU:
    return Host(name, int(found[1]))
  if part := gpus.find(name) or find(name):
    return part
  raise ValueError(
    f'nothing to compile for is called {name!r}; there are slices of TPUs: '
    f'{", ".join(names())}; GPUs: {", ".join(gpus.CHIPS)}, several of a host '
    f'with -2 to -{gpus.MOST} behind the name; and cpu-1 to cpu-{_OF_CPU}, '
    f'devices of this CPU{options.nearest(name, [*names(), *gpus.CHIPS])}'
  )


def find(name: str) -> Slice | None:
  """Returns a slice of TPUs by its name; None of what is none."""
  if name not in names():
    return None
  generation, _, count = name.partition('-')
  kind = GENERATIONS[generation]
  return Slice(name, generation, kind.layouts[int(count) // kind.counted])
