"""A converted file's arrays, fitted to its backbone for other clips."""

import jax
import numpy as np

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables
from vidpetl.weights import fit
from vidpetl.weights import report as report_lib


def resized(file, size, **fields):
  """Returns a backbone for clips of a size, and its parameters.

  Args:
    file: converted.
    size: (frames, height, width).
    **fields: of the backbone, in place of those that the file says.

  Parameters that the file has nothing for are zeros.
  """
  file = str(file)
  said = published.read_metadata(file)
  model = backbones.build(said['backbone'], **fields)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), np.zeros((1, *size, 3)), False)
  )
  want = variables.flatten({'params': {'backbone': shapes['params']}})
  want = {name: leaf.shape for name, leaf in want.items()}
  grid = tuple(n // p for n, p in zip(size, _tubelet(model)))
  report = report_lib.Report('a test')
  have = storage.load_arrays(file)
  arrays = fit.fit(
    {name: array for name, array in have.items() if 'heads_' not in name},
    want,
    fit.Geometry(tuple(said['grid']), rule=said['positions']),
    fit.Geometry(grid),
    report,
    fresh=said['fresh'],
    inflate=said['inflate'],
  )
  assert not report.wrong
  new = {n: np.zeros(want[n], np.float32) for n in want.keys() - arrays}
  return model, variables.unflatten(arrays | new)['params']['backbone']


def _tubelet(model):
  """Returns what a token covers, (frames, height, width)."""
  covers = getattr(model, 'tubelet', 1)
  if isinstance(covers, tuple):
    return covers
  patch = model.patch
  return patch if isinstance(patch, tuple) else (covers, patch, patch)


def encode(file, video, **fields):
  """Returns features of [b, t, h, w, 3] by a file of other clips."""
  model, params = resized(file, video.shape[1:4], **fields)
  return jax.jit(lambda p: model.apply({'params': p}, video, False))(params)


def frames(video):
  """Returns a clip's frames as PyTorch's images, [b t, 3, h, w]."""
  import torch  # noqa: PLC0415

  flat = video.reshape(-1, *video.shape[2:]).transpose(0, 3, 1, 2)
  return torch.from_numpy(np.ascontiguousarray(flat))
