"""`jax.export`: one file for CPU, CUDA and TPU, its weights beside it.

The weights are arguments. A file that held them as constants could not be
larger than 2 GiB, and would have them once in each process that only looks at
it; so they can also be put on several devices, or into bfloat16.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from etils import epath
from jax import export

from vidpetl import durable
from vidpetl.exporting import subject as subject_lib

PLATFORMS = ('cpu', 'cuda', 'tpu')
WEIGHTS, SUFFIX = 'weights.npz', '.jax_export'
# XLA joins operations in other ways where the batch is unknown.
TOLERANCE = {'float32': 1e-4, 'bfloat16': 5e-2}
NEEDS = 'jax flatbuffers numpy av'
EXAMPLE = """
import jax.export, numpy as np
model = jax.export.deserialize(open('model.jax_export', 'rb').read())
weights = dict(np.load('weights.npz'))
answer = model.call(weights, inputs)
"""


def write(subject: subject_lib.Subject, folder: epath.Path) -> None:
  """Writes model.jax_export, compare.jax_export and weights.npz."""
  arrays = {k: np.asarray(v) for k, v in subject.params.items()}
  with durable.opened(folder / WEIGHTS) as file:
    np.savez(file, **arrays)
  weights = {
    k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in arrays.items()
  }
  for program in subject.programs():
    exported = export.export(jax.jit(program.function), platforms=PLATFORMS)(
      weights, symbolic(program)
    )
    durable.write(folder / (program.name + SUFFIX), exported.serialize())


def symbolic(program: subject_lib.Program) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns what a program takes, with a batch of any size."""
  (rows,) = export.symbolic_shape(subject_lib.BATCH)
  return {
    name: jax.ShapeDtypeStruct((rows, *each.shape), each.dtype)
    for name, each in program.inputs.items()
  }


def reader(subject: subject_lib.Subject, folder: epath.Path) -> Any:
  """Loads what `write` has written; see `targets`."""
  with (folder / WEIGHTS).open('rb') as file, np.load(file) as arrays:
    weights = dict(arrays)

  def run(name: str, inputs: subject_lib.Arrays) -> dict[str, Any]:
    data = (folder / (name + SUFFIX)).read_bytes()
    return jax.jit(export.deserialize(bytearray(data)).call)(weights, inputs)

  return run
