"""What compilers of TPUs are told, so that chips send while they compute.

Left alone, a TPU's compiler sums all gradients at the end of a step, in few
collectives, and computes nothing meanwhile. Told this, it sums each large
kernel's gradient beside what comes next: the product that makes another one's,
or what norms and adapters compute. With parameters spread by `fsdp` it hides
their gathering as it is.
"""

from __future__ import annotations

import functools

import jax
from absl import logging

# Kinds of devices whose compiler takes the options. A v4's runs out of vector
# memory with them.
_KINDS = ('TPU v5 lite', 'TPU v5', 'TPU v5p', 'TPU v6 lite')
# Gradients of kernels beyond it, an adapter's included, are summed one by one,
# as only such are hidden. What is smaller is put together, up to it, as each
# sum takes a while to begin.
_ALONE = 250_000  # bytes
_OPTIONS = {
  'xla_enable_async_all_reduce': 'true',
  'xla_tpu_enable_async_collective_fusion_fuse_all_reduce': 'true',
  # Else a sum runs beside products alone.
  'xla_tpu_enable_async_collective_fusion_fuse_kloop_fusions': 'true',
  'xla_jf_crs_combiner_threshold_in_bytes': str(_ALONE),
}


def options(mesh: jax.sharding.Mesh, wanted: bool = True) -> dict[str, str]:
  """Returns what the compiler is told of a step over a mesh of devices.

  Args:
    mesh: of devices, or of descriptions of some that are not there.
    wanted: `config.mesh.overlap`.

  Returns:
    Options of XLA. None for devices that have no use for them, or whose
    compiler, of another version, does not know them; a warning says so.
  """
  device = mesh.devices.flat[0]
  if not wanted or mesh.size == 1 or device.device_kind not in _KINDS:
    return {}
  there = device in jax.devices()
  return _OPTIONS if not there or _are_known() else {}


@functools.cache
def _are_known() -> bool:
  """Asks the compiler of this process's devices, once for all tasks."""
  try:
    jax.jit(lambda: 0).lower().compile(compiler_options=_OPTIONS)
  except (jax.errors.JaxRuntimeError, ValueError) as error:
    logging.warning(
      'Gradients are summed after all else: the compiler of this TPU does not '
      'take what has them summed meanwhile (%s).',
      str(error).splitlines()[0],
    )
    return False
  return True
