"""Parts of a net's parameters are those of the whole, by fewer programs."""

import experiments
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.experiment import draws, experiment

TABLE = np.arange(6, dtype=np.float32)


class Net(nn.Module):
  """Blocks alike, and what draws by no number, of itself, or of a table."""

  @nn.compact
  def __call__(self, x):
    for _ in range(4):
      x = nn.Dense(5, bias_init=nn.initializers.normal())(x)
    table = lambda key: TABLE + jax.random.uniform(key, TABLE.shape)
    several = lambda key: jax.vmap(jax.random.normal)(jax.random.split(key))
    self.param('ones', nn.initializers.ones, (3,))
    self.param('table', table)
    self.param('several', several)
    return x


def whole(key):
  made = Net().init(key, jnp.zeros((1, 5)))['params']
  return made | {'own': jax.random.normal(key, (2,)), 'fixed': jnp.array(TABLE)}


def assert_equal(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


def test_parts_are_those_of_the_whole():
  drawn = jax.jit(whole)
  for seed in (0, 7):
    key = jax.random.key(seed)
    assert_equal(draws.draw(drawn, key), drawn(key))


def test_what_is_alike_has_one_program(monkeypatch):
  programs = {}
  monkeypatch.setattr(draws, '_PROGRAMS', programs)
  draws.draw(jax.jit(whole), jax.random.key(0))
  # Kernels, biases, several and own; what adds to a table is not shared.
  assert len(programs) == 4
  draws.draw(jax.jit(lambda key: whole(key)), jax.random.key(1))
  assert len(programs) == 4


def test_arrays_are_where_they_shall_be():
  mesh = jax.make_mesh((1,), ('x',))
  place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  drawn, key = jax.jit(whole), jax.random.key(0)
  where = jax.tree.map(lambda _: place, drawn(key))
  found = draws.draw(drawn, key, where)
  assert all(x.sharding == place for x in jax.tree.leaves(found))
  assert_equal(found, drawn(key))


@pytest.mark.parametrize(
  'config, argument',
  [
    ('vpetl', 'dataset=hmdb51,demo,head=true'),
    ('cofinetune_ava', 'demo'),
    ('mst_adapter', 'demo'),
    ('pecop_pretrain', 'demo'),
  ],
)
def test_models_are_drawn_as_one_program_draws_them(config, argument):
  loaded = experiments.load_config(config, argument)
  built = experiment.build(loaded, experiment.infos_from_config(loaded))
  key = jax.random.key(loaded.seed)
  assert_equal(built.init_variables(key), built.draw(key))
