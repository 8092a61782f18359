"""TensorFlow's SavedModel: what `tf.saved_model.load` and TF Serving take.

It holds the program of `jax.export`, which TensorFlow's XLA compiles; so the
version of TensorFlow must be about as new as that of JAX. Signatures are
'serving_default', and 'compare' where a task compares two answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from etils import epath, epy

from vidpetl.backbones import devices
from vidpetl.exporting import subject as subject_lib
from vidpetl.exporting.targets import jax as jax_target

with epy.lazy_imports():
  import tensorflow as tf
  from jax.experimental import jax2tf

SIGNATURES = {
  subject_lib.MODEL: 'serving_default',
  subject_lib.COMPARE: 'compare',
}
FOLDER = 'saved_model'
TOLERANCE = {'float32': 1e-4, 'bfloat16': 5e-2}
NEEDS = 'tensorflow av'
EXAMPLE = """
import tensorflow as tf
model = tf.saved_model.load('saved_model').signatures['serving_default']
answer = model(**{k: tf.constant(v) for k, v in inputs.items()})
"""


def write(subject: subject_lib.Subject, folder: epath.Path) -> None:
  """Writes the folder saved_model."""
  module = tf.Module()
  # Names of variables are attributes, which paths are not.
  module.weights = {
    f'w{i}': tf.Variable(np.asarray(value), name=path.replace('/', '.'))
    for i, (path, value) in enumerate(subject.params.items())
  }
  paths = dict(zip(subject.params, module.weights))
  signatures = {}
  for program in subject.programs():
    shapes = {
      name: jax_target.words(each) for name, each in program.inputs.items()
    }
    converted = jax2tf.convert(
      program.function,
      polymorphic_shapes=[None, shapes],
      with_gradient=False,
      native_serialization_platforms=jax_target.PLATFORMS,
    )

    def call(converted=converted, **inputs):
      weights = {path: module.weights[key] for path, key in paths.items()}
      return converted(weights, inputs)

    function = tf.function(call, autograph=False)
    specs = {
      name: tf.TensorSpec(_free(each), each.dtype, name)
      for name, each in program.inputs.items()
    }
    with devices.meant(devices.ANY):
      concrete = function.get_concrete_function(**specs)
    signatures[SIGNATURES[program.name]] = concrete
  tf.saved_model.save(module, str(folder / FOLDER), signatures=signatures)


def _free(taken: subject_lib.Input) -> tuple[int | None, ...]:
  return (None, *(n if isinstance(n, int) else None for n in taken.sizes))


def reader(subject: subject_lib.Subject, folder: epath.Path) -> Any:
  """Loads what `write` has written; see `targets`."""
  loaded = tf.saved_model.load(str(folder / FOLDER))

  def run(name: str, inputs: subject_lib.Arrays) -> dict[str, Any]:
    given = {key: tf.constant(value) for key, value in inputs.items()}
    found = loaded.signatures[SIGNATURES[name]](**given)
    return {key: value.numpy() for key, value in found.items()}

  return run
