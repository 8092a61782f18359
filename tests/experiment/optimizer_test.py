import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from vidpetl import backbones
from vidpetl.experiment import optimizer
from vidpetl.petl import bindings
from vidpetl.recipes import defaults, methods

CONFIG = {
  **defaults.get_config().optimizer.to_dict(),
  'clip_norm': 0.0,
  'groups': {'all': {}},
}


def test_schedule_is_the_papers():
  rate = optimizer.schedule(CONFIG, epoch=10, total=150)
  assert float(rate(0)) == 0.0
  np.testing.assert_allclose(rate(5), 0.04, rtol=1e-6)
  np.testing.assert_allclose(rate(25), 0.2, rtol=1e-6)
  halfway = 25 + 125 / 2
  np.testing.assert_allclose(
    [rate(25 + 25), rate(150)],
    [0.1 * (1 + np.cos(np.pi * 25 / 125)), 0.0],
    atol=1e-6,
  )
  assert 0.09 < float(rate(int(halfway))) < 0.11


def test_constant_schedule_needs_no_warmup():
  config = {**CONFIG, 'schedule': 'constant', 'warmup_epochs': 0.0}
  rate = optimizer.schedule(config, epoch=10, total=20)
  assert [float(rate(step)) for step in (0, 19)] == pytest.approx([0.2, 0.2])


def test_cosine_ends_at_its_final_rate():
  config = {**CONFIG, 'final': 0.001}
  rate = optimizer.schedule(config, epoch=10, total=150)
  np.testing.assert_allclose(rate(150), 0.2 * 0.001, rtol=1e-4)


def test_steps_divide_by_ten_at_their_epochs():
  config = {**CONFIG, 'schedule': 'steps', 'milestones': (5, 7)}
  rate = optimizer.schedule(config, epoch=10, total=100)
  got = [float(rate(step)) for step in (25, 49, 50, 69, 70, 99)]
  np.testing.assert_allclose(got, [0.2, 0.2, 0.02, 0.02, 0.002, 0.002])


@pytest.mark.parametrize(
  'fields',
  [
    {'schedule': 'steps'},
    {'schedule': 'steps', 'milestones': (7, 5)},
    {'schedule': 'cosine', 'milestones': (5,)},
    # The run ends before the second one.
    {'schedule': 'steps', 'milestones': (5, 10)},
  ],
)
def test_milestones_belong_to_steps(fields):
  with pytest.raises(ValueError, match='milestones'):
    optimizer.schedule({**CONFIG, **fields}, epoch=10, total=100)


def test_tails_begin_anew_and_change_nothing_before_them():
  tails = ((15, 'constant', 0.01), (20, 'cosine', 0.05))
  config = {**CONFIG, 'tails': tails, 'final': 0.1}
  before = optimizer.schedule({**CONFIG, 'final': 0.1}, epoch=10, total=150)
  rate = optimizer.schedule(config, epoch=10, total=300)
  steps = np.arange(150)
  np.testing.assert_array_equal(
    *(jax.vmap(each)(steps) for each in (before, rate))
  )
  got = [float(rate(step)) for step in (150, 199, 200, 250, 300)]
  np.testing.assert_allclose(got, [0.01, 0.01, 0.05, 0.0275, 0.005], rtol=1e-5)


@pytest.mark.parametrize(
  'tails, match',
  [
    (((15, 'constant', 0.1),), '150 steps, and the run has 150'),
    (((5, 'linear', 0.1),), "one of 'constant', 'cosine'"),
    (((5, 'cosine', 0.1), (4, 'cosine', 0.1)), 'one after the other'),
    ((5, 'cosine', 0.1), r'tails\[0\]=5'),
  ],
)
def test_tails_that_are_none_are_refused(tails, match):
  with pytest.raises(ValueError, match=match):
    optimizer.schedule({**CONFIG, 'tails': tails}, epoch=10, total=150)


def test_warmup_longer_than_the_run_is_refused():
  with pytest.raises(ValueError, match='warmup_epochs'):
    optimizer.schedule(CONFIG, epoch=10, total=20)


def run(config, params, grads, group_of, steps=3):
  tx = optimizer.build(config, lambda _: 0.1, group_of)
  state = tx.init(params)
  for _ in range(steps):
    updates, state = tx.update(grads, state, params)
    params = optax.apply_updates(params, updates)
  return params, state


def test_momentum_by_hand():
  params, _ = run(CONFIG, {'w': jnp.zeros(())}, {'w': 1.0}, {'w': 'all'})
  np.testing.assert_allclose(params['w'], -0.1 * (1 + 1.9 + 2.71), rtol=1e-6)


def test_groups_have_their_own_rates():
  config = {**CONFIG, 'groups': {'all': {}, 'slow': {'lr_scale': 0.1}}}
  params = {'a': jnp.zeros(()), 'b': jnp.zeros(())}
  grads = {'a': 1.0, 'b': 1.0}
  params, _ = run(config, params, grads, {'a': 'all', 'b': 'slow'})
  np.testing.assert_allclose(params['b'], 0.1 * params['a'], rtol=1e-6)


def decayed(params, **group):
  """Returns by which share each parameter shrinks without a gradient."""
  config = {
    **CONFIG, 'name': 'adamw', 'groups': {'all': {'weight_decay': 0.5, **group}}
  }  # fmt: skip
  after, _ = run(
    config, params, dict.fromkeys(params, 0.0), dict.fromkeys(params, 'all'), 1
  )
  return {path: float(1 - x.mean()) for path, x in after.items()}


def test_matrices_decay():
  matrix, vector = jnp.ones((2, 3)), jnp.ones(3)
  names = ('kernel', 'query_a', 'bias', 'tokens', 'pos_embedding')
  shares = decayed({**dict.fromkeys(names, matrix), 'fusion': vector})
  expected = {n: 0.05 * (n in ('kernel', 'query_a', 'tokens')) for n in shares}
  assert shares == pytest.approx(expected, abs=1e-6)


def test_a_filter_says_what_decays():
  params = {'kernel': jnp.ones((2, 3)), 'bias': jnp.ones(3)}
  shares = decayed(params, decay_filter='bias')
  assert shares == pytest.approx({'kernel': 0.0, 'bias': 0.05}, abs=1e-6)


# Last names of parameters of all backbones, heads and techniques.
DECAY = {
  'kernel',
  *('a', 'b', 'query_a', 'query_b', 'value_a', 'value_b'),  # LoRA
  'tokens',  # prompts, prefixes, and what PATT learns in place of tokens
}
STAY = {
  *('bias', 'scale'),
  *('cls', 'pos_embedding', 'relative_position_bias_table', 'table'),
  *('fusion', 'alpha'),
  *('vector', 'key_vector', 'value_vector'),  # (IA)^3
  *('shift', 'query_scale', 'query_shift', 'key_scale', 'key_shift'),  # SSF
  *('value_scale', 'value_shift'),
  *('gate_1', 'gate_2', 'positions'),  # Side networks.
}
OPTIONS = {
  'lora': {'sites': ('attn_qkv', 'attn_proj', 'mlp_fc1', 'mlp_fc2')},
  'mst_adapter': {'shift': False},
  'patt': {'source': 'learned'},
}


TRANSFORMERS = ('clip', 'dense', 'swin')
BOUND = [
  *(
    (name, method)
    for method in methods.METHODS
    for name in TRANSFORMERS
    if method != 'zeroi2v' or name == 'clip'  # Of images' towers.
  ),
  *(('resnet3d', method) for method in ('full', 'adapter3d')),
]


@pytest.mark.table(22)
@pytest.mark.parametrize('name, method', BOUND)
def test_what_decays_of_each_technique_on_each_backbone(name, method):
  """A technique that names a parameter anew must say here what it is."""
  options = OPTIONS.get(method, {})
  if method == 'adapter3d':
    options = {'site': 'conv' if name == 'resnet3d' else 'mlp_residual'}
  entries, _ = methods.make(method, **options)
  fields = {'name': 'resnet3d', 'variant': 'r3d_18', 'width': 4}
  plain = tiny.BACKBONES.get(name, lambda: backbones.build(fields))()
  shapes = tiny.shapes(bindings.bind(plain, entries))
  decay = {p for p, shape in shapes.items() if optimizer.is_matrix(p, shape)}
  assert {path.rpartition('/')[2] for path in decay} <= DECAY
  assert {path.rpartition('/')[2] for path in set(shapes) - decay} <= STAY


def test_clipping_is_of_the_norm_of_all():
  config = {**CONFIG, 'clip_norm': 1.0}
  params = {'a': jnp.zeros(()), 'b': jnp.zeros(())}
  params, _ = run(
    config,
    params,
    {'a': jnp.float32(3), 'b': jnp.float32(4)},
    {'a': 'all', 'b': 'all'},
    steps=1,
  )
  np.testing.assert_allclose(params['a'], -0.06, rtol=1e-5)
  np.testing.assert_allclose(params['b'], -0.08, rtol=1e-5)


@pytest.mark.parametrize(
  ('change', 'named'),
  [
    ({'name': 'lion'}, 'lion'),
    ({'schedule': 'step'}, 'step'),
    ({'groups': {'all': {'lr': 1}}}, 'lr'),
    ({'groups': {'other': {}}}, 'all'),
  ],
)
def test_mistakes_are_named(change, named):
  config = {**CONFIG, **change}
  with pytest.raises(ValueError, match=named):
    rate = optimizer.schedule(config, epoch=10, total=150)
    optimizer.build(config, rate, {'w': 'all'}).init({'w': jnp.zeros(())})


def test_keep_lets_named_parameters_and_their_state_stand_still():
  params = {'heads_a': jnp.zeros(()), 'heads_b': jnp.zeros(())}
  grads = {'heads_a': 1.0, 'heads_b': 1.0}
  tx = optimizer.build(
    CONFIG, lambda _: 0.1, {'heads_a': 'all', 'heads_b': 'all'}
  )
  before = tx.init(params)
  _, after = tx.update(grads, before, params)
  kept = optimizer.keep(after, before, 'heads_b')
  by_path = {
    jax.tree_util.keystr(path): float(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(kept)
    if leaf.dtype == jnp.float32
  }
  assert {k[-11:]: v for k, v in by_path.items()} == {
    "['heads_a']": 1.0,
    "['heads_b']": 0.0,
  }
