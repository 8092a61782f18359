"""DeepMind's I3D under Flax's names, against Flax's layers."""

import converted
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax_i3d import I3D

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

WIDTH, CLASSES = 8, 5


@pytest.fixture(scope='module')
def variables():
  """Variables of the kinds and shapes that a file holds."""
  net = I3D(WIDTH, CLASSES)
  shapes = jax.eval_shape(
    net.init, jax.random.key(0), jnp.zeros((1, 9, 64, 64, 3))
  )
  draw = np.random.default_rng(0)

  def leaf(path, shape):
    name = path[-1].key
    if name == 'kernel':
      deviation = np.prod(shape.shape[:-1]) ** -0.5
      return draw.normal(0, deviation, shape.shape).astype(np.float32)
    if path[0].key == 'params':
      return draw.normal(0, 0.1, shape.shape).astype(np.float32)
    values = draw.uniform(0.5, 1.5, shape.shape).astype(np.float32)
    values -= 1.0 * (name == 'mean')
    return values.reshape(1, 1, 1, 1, -1)  # As Sonnet's are.

  return jax.tree_util.tree_map_with_path(leaf, shapes)


def write(variables, path):
  flat = {
    '/'.join(key.key for key in keys): value
    for keys, value in jax.tree_util.tree_leaves_with_path(variables)
  }
  np.savez(path, **flat)
  return path


def test_features_where_strides_divide_nothing(variables, tmp_path):
  path = write(variables, tmp_path / 'i3d.npz')
  video = converted.video(1, 9, 50, 70, 3)
  ours, report = converted.encode(
    'i3d_deepmind', path, video, tmp_path, head='k'
  )
  assert not report.wrong
  plain = jax.tree.map(np.ravel, variables['batch_stats'])
  expected = I3D(WIDTH, CLASSES).apply(
    {'params': variables['params'], 'batch_stats': plain}, video
  )
  assert converted.relative_error(ours.grid, np.asarray(expected)) < 1e-4
  said = published.read_metadata(str(tmp_path / 'i3d_deepmind.safetensors'))
  assert said['backbone']['variant'] == 'deepmind' and said['mean'] == 0.5


def test_it_is_read_and_not_written(variables, tmp_path):
  path = write(variables, tmp_path / 'i3d.npz')
  first, back = (str(tmp_path / f'{n}.safetensors') for n in 'ab')
  convert.import_file('i3d_deepmind', str(path), first)
  with pytest.raises(WeightsError, match='no scale'):
    convert.export_run('i3d_deepmind', first, back, '')
