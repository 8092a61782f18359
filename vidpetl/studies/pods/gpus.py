"""GPUs that are not there, and what their compiler has to know of them.

XLA compiles for a GPU by its description; a GPU is not asked. Nothing is tried
out then: products are cuBLAS's as they come, convolutions and attention
cuDNN's.
"""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Mapping
from typing import Any

from vidpetl.studies.pods import part

# The most of a host.
MOST = 8
_KIB, _GIB = 2**10, 2**30
_FLAGS = '--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false'
# XLA's stream_executor::GpuTargetConfigProto, as text.
_DESCRIPTION = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: {per_block}
  shared_memory_per_core: {shared}
  shared_memory_per_block_optin: {optin}
  threads_per_core_limit: {threads}
  core_count: {cores}
  fpus_per_core: {fpus}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: {cache}
  clock_rate_ghz: {clock}
  device_memory_size: {memory}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  cuda_compute_capability {{ major: {major} minor: {minor} }}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 8 }}
device_description_str: "{name}"
"""


@dataclasses.dataclass(frozen=True)
class Chip:
  """A GPU, by its data sheet.

  Attributes:
    generation: compute capability.
    memory: GiB.
    bandwidth: GB a second.
    cores: streaming multiprocessors.
    threads: that a core holds.
    fpus: of a core, in float32.
    shared: KiB of a core's shared memory.
    cache: MiB, of all cores.
    clock: GHz.
    links: GB a second that it sends to others of its host, by NVLink or else by
      16 lanes of PCIe.
  """

  generation: str
  memory: int
  bandwidth: int
  cores: int
  threads: int
  fpus: int
  shared: int
  cache: int
  clock: float
  links: int


CHIPS = {
  't4': Chip('7.5', 16, 320, 40, 1024, 64, 64, 4, 1.59, 16),
  'l4': Chip('8.9', 24, 300, 58, 1536, 128, 100, 48, 2.04, 32),
  'rtx3090': Chip('8.6', 24, 936, 82, 1536, 128, 100, 6, 1.695, 32),
  'rtx4090': Chip('8.9', 24, 1008, 128, 1536, 128, 100, 72, 2.52, 32),
  'l40s': Chip('8.9', 48, 864, 142, 1536, 128, 100, 96, 2.52, 32),
  'a100-40': Chip('8.0', 40, 1555, 108, 2048, 64, 164, 40, 1.41, 300),
  'a100-80': Chip('8.0', 80, 2039, 108, 2048, 64, 164, 40, 1.41, 300),
  'h100': Chip('9.0', 80, 3350, 132, 2048, 128, 228, 50, 1.98, 450),
  'h200': Chip('9.0', 141, 4800, 132, 2048, 128, 228, 50, 1.98, 450),
}


@dataclasses.dataclass(frozen=True)
class Gpu(part.Part):
  """GPUs of a host, to compile for.

  Attributes:
    name: such as 'h100', or 'h100-8' for eight.
    kind: one of `CHIPS`.
    chips: how many there are.
  """

  name: str
  kind: str
  chips: int

  platform = 'gpu'
  # JAX's plugin, which has the compiler, and the extra that installs it.
  needs, extra = 'jax_cuda12_plugin', 'cuda'

  @property
  def chip(self) -> Chip:
    return CHIPS[self.kind]

  @property
  def memory(self) -> int:
    return self.chip.memory * _GIB

  @property
  def clock(self) -> float:
    return self.chip.clock * 1e9

  @property
  def links(self) -> float:
    return self.chip.links * 1e9

  @property
  def meant(self) -> Any:
    """What `devices.meant` takes: a mesh of it does not tell its generation."""
    return types.SimpleNamespace(
      platform='gpu', compute_capability=self.chip.generation
    )

  @property
  def environment(self) -> Mapping[str, str]:
    return {'XLA_FLAGS': f'{os.environ.get("XLA_FLAGS", "")} {_FLAGS}'}

  def devices(self) -> list[Any]:
    """Returns them, to compile for; needs JAX's plugin for CUDA 12."""
    from jax.experimental import topologies  # noqa: PLC0415

    found = topologies.get_topology_desc(
      platform='cuda',
      topology_name=self.name,
      target_config=_description(self.kind, self.chip),
      topology=f'1x1x{self.chips}',  # Partitions, hosts, devices of one.
    )
    return found.devices


def find(name: str) -> Gpu | None:
  """Returns GPUs by their name, 'h100' or 'h100-8'; None of what are none."""
  if name in CHIPS:
    return Gpu(name, name, 1)
  kind, _, count = name.rpartition('-')
  several = kind in CHIPS and count.isdecimal() and 2 <= int(count) <= MOST
  return Gpu(name, kind, int(count)) if several else None


def _description(name: str, chip: Chip) -> str:
  major, minor = chip.generation.split('.')
  return _DESCRIPTION.format(
    name=name,
    per_block=48 * _KIB,
    shared=chip.shared * _KIB,
    optin=(chip.shared - 1) * _KIB,
    threads=chip.threads,
    cores=chip.cores,
    fpus=chip.fpus,
    bandwidth=chip.bandwidth * 10**9,
    cache=chip.cache * _KIB**2,
    clock=chip.clock,
    memory=chip.memory * _GIB,
    major=major,
    minor=minor,
  )
