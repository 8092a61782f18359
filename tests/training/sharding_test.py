import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

from vidpetl.training import sharding

MESH = AbstractMesh((2, 4), sharding.AXES)


def shapes(**arrays):
  return {k: jax.ShapeDtypeStruct(s, jnp.float32) for k, s in arrays.items()}


def test_largest_axis_that_divides_is_split():
  tree = shapes(kernel=(3, 16, 8), bias=(6,))
  where = sharding.infer(tree, MESH, [('.*', 'fsdp')])
  assert where['kernel'].spec == P(None, 'fsdp', None)
  assert where['bias'].spec == P()


def test_first_rule_wins():
  tree = shapes(head=(16,), body=(16,))
  rules = [('head', 'replicate'), ('.*', 'fsdp')]
  where = sharding.infer(tree, MESH, rules)
  assert where['head'].spec == P()
  assert where['body'].spec == P('fsdp')


def test_bytes_are_those_of_one_device():
  tree = shapes(kernel=(16, 8), bias=(6,))
  rules = [('.*', 'fsdp')]
  assert sharding.bytes_per_device(tree, MESH, rules) == 4 * (16 * 8 // 4 + 6)


@pytest.mark.parametrize(
  ('rules', 'named'), [([('x', 'fsdp')], 'kernel'), ([('.*', 'tp')], 'tp')]
)
def test_mistakes_are_named(rules, named):
  with pytest.raises(ValueError, match=named):
    sharding.infer(shapes(kernel=(4, 4)), MESH, rules)


def test_mesh_must_cover_the_devices():
  devices = jax.device_count()
  assert sharding.make_mesh().shape == {'data': devices, 'fsdp': 1}
  with pytest.raises(ValueError, match='devices'):
    sharding.make_mesh(data=devices + 1)


def test_uneven_batch_is_refused():
  with pytest.raises(ValueError, match=r'config\.batch_size is 7'):
    sharding.check_batch(7, MESH, 'config.batch_size')
