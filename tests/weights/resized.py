"""Encoding clips of other sizes than those that a converted file is for."""

import jax
import numpy as np

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables
from vidpetl.weights import fit
from vidpetl.weights import report as report_lib


def encode(path, video):
  """Returns features of a clip, with positions resized by the file's rule.

  Args:
    path: of a converted file.
    video: [b, t, h, w, 3].
  """
  said = published.read_metadata(str(path))
  model = backbones.build(said['backbone'])
  wanted = jax.eval_shape(lambda: model.init(jax.random.key(0), video, False))
  wanted = variables.flatten({k: {'backbone': v} for k, v in wanted.items()})
  patch = said['backbone']['patch']
  grid = (video.shape[1], *(size // patch for size in video.shape[2:4]))
  report = report_lib.Report('')
  arrays = fit.fit(
    storage.load_arrays(str(path)),
    {name: leaf.shape for name, leaf in wanted.items()},
    fit.Geometry(tuple(said['grid']), rule=said['positions']),
    fit.Geometry(grid),
    report,
  )
  assert not report.wrong
  tree = variables.unflatten(arrays)
  tree = {name: part['backbone'] for name, part in tree.items()}
  return jax.jit(lambda v: model.apply(v, video, False))(tree)


def frames(video):
  """Returns a clip's frames as PyTorch's images, [b t, 3, h, w]."""
  import torch  # noqa: PLC0415

  flat = video.reshape(-1, *video.shape[2:]).transpose(0, 3, 1, 2)
  return torch.from_numpy(np.ascontiguousarray(flat))
