import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import site, vivit
from vidpetl.petl import adapted
from vidpetl.tasks import heads

At, Adapted = adapted.At, adapted.Adapted
VIDEO = np.random.default_rng(0).normal(size=(2, 4, 16, 16, 3))
VIDEO = VIDEO.astype(np.float32)


class Bottleneck(nn.Module):
  """y + up(relu(down(given))); the identity at first."""

  hidden: int = 3

  @nn.compact
  def __call__(self, y, given, grid):
    h = nn.relu(nn.Dense(self.hidden, name='down')(given))
    return y + nn.Dense(
      y.shape[-1], kernel_init=nn.initializers.zeros, name='up'
    )(h)


class AddToQueries(nn.Module):
  @nn.compact
  def __call__(self, qkv, given, grid):
    q, k, v = qkv
    b = self.param('b', nn.initializers.zeros, q.shape[-2:])
    return q + b, k, v


class Prompt(nn.Module):
  """Learned tokens between the class tokens and the grid's."""

  @nn.compact
  def __call__(self, y, given, grid):
    p = self.param('tokens', nn.initializers.normal(1.0), (3, y.shape[-1]))
    p = jnp.broadcast_to(p, (*y.shape[:-2], *p.shape))
    head, tail = y[..., : grid.cls, :], y[..., grid.cls :, :]
    return jnp.concatenate([head, p, tail], axis=-2)


class Scale(nn.Module):
  by: float

  @nn.compact
  def __call__(self, y, given, grid):
    return y * self.param('by', nn.initializers.constant(self.by), ())


class Add(nn.Module):
  @nn.compact
  def __call__(self, y, given, grid):
    return y + 1


def backbone(**kwargs):
  return vivit.build(
    **{
      'width': 8,
      'depth': 2,
      'heads': 2,
      'mlp': 8,
      'tubelet': (2, 8, 8),
      'temporal_depth': 1,
      'stochastic_depth': 0.3,
      **kwargs,
    }
  )


def shapes(model, *args):
  """Shapes of parameters by path."""
  tree = jax.eval_shape(
    lambda *x: model.init(jax.random.key(0), *x, False), *args or (VIDEO,)
  )['params']
  flat = flax.traverse_util.flatten_dict(tree, sep='/')
  return {path: x.shape for path, x in flat.items()}


def at_a_site(path):
  return any(part.startswith(site.PREFIX) for part in path.split('/'))


MIX = (
  At('mlp', Bottleneck()),
  At('attn_qkv', AddToQueries()),
  At('attn_residual', Bottleneck(), where='Temporal.*block_0$'),
)


def test_the_backbone_keeps_its_tree():
  plain, bound = shapes(backbone()), shapes(Adapted(backbone(), MIX))
  assert not any(map(at_a_site, plain))
  assert {k: v for k, v in bound.items() if not at_a_site(k)} == plain
  assert shapes(Adapted(backbone())) == plain
  learned = {k for k in bound if at_a_site(k)}
  block = 'SpatialTransformer/encoderblock_1/'
  attention = block + 'MultiHeadDotProductAttention_0/'
  assert block + 'site_mlp/Bottleneck/down/kernel' in learned
  assert attention + 'site_attn_qkv/AddToQueries/b' in learned
  only = [k for k in learned if 'site_attn_residual' in k]
  assert len(only) == 4 and all(
    k.startswith('TemporalTransformer/encoderblock_0/') for k in only
  )


def values(model, seed=0, scale=0.3):
  tree = jax.eval_shape(
    lambda x: model.init(jax.random.key(0), x, False), VIDEO
  )
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda x: (scale * rng.normal(size=x.shape)).astype(np.float32), tree
  )


def loss_and_gradient(model, params):
  def loss(params):
    rngs = {'dropout': jax.random.key(2)}
    out = model.apply(params, VIDEO, True, rngs=rngs)
    return jnp.sin(out.grid).sum() + out.summary.sum()

  return jax.jit(jax.value_and_grad(loss))(params)


def test_techniques_act_and_learn_also_when_rematerialised():
  model = Adapted(backbone(), MIX)
  params = values(model)
  value, gradient = loss_and_gradient(model, params)
  again = loss_and_gradient(Adapted(backbone(remat=True), MIX), params)
  np.testing.assert_allclose(value, again[0], rtol=1e-5)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4),
    gradient,
    again[1],
  )
  flat = flax.traverse_util.flatten_dict(gradient['params'], sep='/')
  learned = {k: v for k, v in flat.items() if k.endswith('up/bias')}
  assert learned and all(np.abs(v).max() > 0 for v in learned.values())
  plain = jax.jit(lambda x: backbone().apply(x, VIDEO, False).summary)(params)
  bound = jax.jit(lambda x: model.apply(x, VIDEO, False).summary)(params)
  assert not np.allclose(plain, bound)


def test_prompts_are_not_part_of_the_grid():
  for kwargs in ({}, {'temporal': 'pooled', 'classifier': 'token'}):
    model = Adapted(backbone(**kwargs), (At('tokens', Prompt()),))
    out = jax.eval_shape(
      lambda x, model=model: model.init_with_output(
        jax.random.key(0), x, False
      )[0],
      VIDEO,
    )
    assert out.grid.shape == (2, 2, 2, 2, 8)


class Line(nn.Module):
  @nn.compact
  def __call__(self, x, train):
    return site.site('block_in', x)


def test_techniques_at_one_site_act_in_order_under_names_of_their_own():
  model = Adapted(
    Line(),
    (
      At('block_in', Scale(3.0)),
      At('block_in', Add()),
      At('block_in', Scale(5.0)),
      At('block_in', Scale(7.0, name='last')),
    ),
  )
  out, params = model.init_with_output(jax.random.key(0), jnp.ones(1), False)
  assert out == (1 * 3 + 1) * 5 * 7
  assert set(params['params']['site_block_in']) == {'Scale', 'Scale_1', 'last'}


def test_two_techniques_of_one_name_are_refused():
  twice = (At('block_in', Scale(1.0, name='a')),) * 2
  with pytest.raises(ValueError, match="called 'a'"):
    Adapted(Line(), twice).init(jax.random.key(0), jnp.ones(1), False)


@pytest.mark.parametrize(
  'binding, match',
  [
    (
      At('attn_qvk', AddToQueries()),
      r"petl\[3\]\.site: .*no site 'attn_qvk'.*attn, attn_in",
    ),
    (
      At('mlp', Bottleneck(), where='encoderblock_7'),
      r"petl\[3\]\.where: .*'encoderblock_7'.*Spatial.*/encoderblock_0",
    ),
  ],
)
def test_a_binding_that_matches_nothing_is_an_error(binding, match):
  model = Adapted(backbone(), (*MIX, binding))
  with pytest.raises(ValueError, match=match):
    jax.eval_shape(lambda: model.init(jax.random.key(0), VIDEO, False))


class Localiser(nn.Module):
  backbone: nn.Module

  @nn.compact
  def __call__(self, video, boxes, train):
    features = self.backbone(video, train)
    return heads.LocalisationHead(2, name='head')(features, boxes, (16, 16))


BOXES = np.array([[[0, 0, 16, 16], [2, 3, 12, 14.0]]] * 2, np.float32)


def test_inside_a_model_paths_and_where_start_at_the_backbone():
  only = At('mlp', Bottleneck(), where='^SpatialTransformer/encoderblock_1$')
  flat = shapes(Localiser(Adapted(backbone(), (only,))), VIDEO, BOXES)
  learned = {k for k in flat if at_a_site(k)}
  path = 'backbone/SpatialTransformer/encoderblock_1/site_mlp/Bottleneck/'
  assert learned == {path + x for x in flat_dense('down') | flat_dense('up')}


def flat_dense(name):
  return {f'{name}/kernel', f'{name}/bias'}


def test_techniques_act_in_a_tube_too():
  """What a head runs of the backbone has the same techniques, once."""
  bindings = (At('attn_residual', Scale(1.0), where='Temporal'),)
  model = Localiser(Adapted(backbone(temporal='per_person'), bindings))
  tree = jax.eval_shape(
    lambda *x: model.init(jax.random.key(0), *x, False), VIDEO, BOXES
  )
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda x: rng.normal(size=x.shape).astype(np.float32), tree
  )
  scale = params['params']['backbone']['TemporalTransformer']['encoderblock_0'][
    'site_attn_residual'
  ]['Scale']
  logits = jax.jit(lambda p: model.apply(p, VIDEO, BOXES, False))
  before = logits(params)
  scale['by'] = scale['by'] + 3.0
  assert not np.allclose(before, logits(params))


def test_sites_are_listed_without_computing():
  video = jax.ShapeDtypeStruct(VIDEO.shape, jnp.float32)
  places = adapted.sites(Adapted(backbone(), MIX), video, train=False)
  by_path = {(p.path, p.name): p for p in places}
  assert len(by_path) == len(places) == 3 + 3 * 19 + 1
  first = by_path['SpatialTransformer', 'tokens']
  assert first.value == (2, 2, 4, 8) and first.given is None
  assert first.grid == site.Grid(2, 2, 2, rows='frame', patch=128)
  block = 'TemporalTransformer/encoderblock_0'
  place = by_path[block + '/MultiHeadDotProductAttention_0', 'attn_qkv']
  assert place.value == ((2, 4, 2, 2, 4),) * 3 and place.given == (2, 4, 2, 8)
  assert place.techniques == ('AddToQueries',)
  assert by_path[block, 'attn_residual'].techniques == ('Bottleneck',)
  assert by_path[block, 'attn'].techniques == ()
