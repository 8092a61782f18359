"""A converted file on clips of another shape than those that it is for."""

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables
from vidpetl.weights import fit
from vidpetl.weights import report as report_lib


def encode(path, video):
  """Returns `Features` of a video, whose grid tables are resized to.

  Args:
    path: of the converted file.
    video: [b, t, h, w, 3].
  """
  said = published.read_metadata(str(path))
  model = backbones.build(said['backbone'])
  features, want = jax.eval_shape(
    lambda: model.init_with_output(
      jax.random.key(0), jnp.zeros(video.shape), False
    )
  )
  have = {
    name.removeprefix('backbone/'): array
    for name, array in storage.load_arrays(str(path)).items()
    if name.startswith('backbone/')
  }
  report = report_lib.Report('resized')
  arrays = fit.fit(
    have,
    {k: v.shape for k, v in variables.flatten(want).items()},
    fit.Geometry(tuple(said['grid']), rule=said['positions']),
    fit.Geometry(features.grid.shape[1:4]),
    report,
  )
  assert not report.wrong
  tree = variables.unflatten(arrays)
  return jax.jit(lambda v: model.apply(v, np.asarray(video), False))(tree)
