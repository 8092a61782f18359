"""VideoPrism's files of Google, against the published structure in numpy."""

import converted
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import resized as resized_lib

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.recipes import presets
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

D, HEADS, MLP, PATCH = 24, 2, 32, 4
TIMES, SIDE = 3, 2
DEPTHS = {'spatial': 2, 'temporal': 1, 'auxiliary': 1}
CAP = 50.0


class Drawn(dict):
  """Google's arrays of random numbers, the blocks of an encoder in one."""

  def __init__(self):
    self._rng = np.random.default_rng(0)

  def draw(self, name, *shape, std=0.5):
    array = self._rng.normal(0, std, shape).astype(np.float32)
    self[f'params/{name}'] = array

  def norm(self, name, *lead):
    for leaf in ('scale', 'bias'):
      self.draw(f'{name}/{leaf}', *lead, D, std=0.3)

  def attention(self, name, width, *lead, loud=1.0):
    split = HEADS, width // HEADS
    for part in ('query', 'key', 'value', 'post'):
      std = loud * D**-0.5 if part in ('query', 'key') else 0.2
      self.draw(f'{name}/{part}/w', *lead, D, *split, std=std)
      bias = (D,) if part == 'post' else split
      self.draw(f'{name}/{part}/b', *lead, *bias, std=0.2)

  def encoder(self, name, depth):
    at = f'{name}_encoder/transformers_stack/x_layers'
    # So loud that the cap matters.
    self.attention(f'{at}/self_attention', D, depth, loud=3.0)
    for place in ('layer_norm', 'ff_layer/layer_norm'):
      self.norm(f'{at}/{place}', depth)
    for number, (i, o) in enumerate(((D, MLP), (MLP, D)), 1):
      layer = f'{at}/ff_layer/ffn_layer{number}/linear'
      self.draw(f'{layer}/kernel', depth, i, o, std=i**-0.5)
      self.draw(f'{layer}/bias', depth, o, std=0.2)


def arrays(lvt=False):
  """Returns the arrays of a file, with a part of LvT's text encoder."""
  w = Drawn()
  at = 'vision_encoder/' if lvt else ''
  w.draw(f'{at}patch_projection/linear/kernel', PATCH * PATCH * 3, D, std=0.15)
  w.draw(f'{at}patch_projection/linear/bias', D)
  w.draw(f'{at}spatial_pos_emb/emb_var', SIDE**2, D)
  w.draw(f'{at}temporal_pos_emb/emb_var', TIMES, D)
  for name in ('spatial', 'temporal'):
    w.encoder(at + name, DEPTHS[name])
    w.norm(f'{at}{name}_ln')
  if lvt:
    w.encoder('auxiliary', DEPTHS['auxiliary'])
    pooler = 'contrastive_vision_pooler'
    w.draw(f'{pooler}/pooling_attention_query', 1, D)
    w.attention(f'{pooler}/pooling_attention', 4 * D)
    scales = f'{pooler}/pooling_attention/per_dim_scale/per_dim_scale'
    w.draw(scales, 4 * D // HEADS)
    w.norm(f'{pooler}/pooling_attention_layer_norm')
    w.draw('text_encoder/cls_emb', 1, 1, D)
  return w


def normalised(w, name, x):
  x = x - x.mean(-1, keepdims=True)
  x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
  return x * (1 + w[f'{name}/scale']) + w[f'{name}/bias']


def attended(w, name, x, context, scale=None, cap=None):
  """Attention of x [b, n, d] to a context [b, m, d]."""
  q, k, v = (
    np.einsum('bnd,dhc->bhnc', y, w[f'{name}/{part}/w'])
    + w[f'{name}/{part}/b'][:, None]
    for part, y in (('query', x), ('key', context), ('value', context))
  )
  q = q / np.sqrt(q.shape[-1]) if scale is None else q * scale
  scores = q @ k.swapaxes(-1, -2)
  if cap:
    scores = cap * np.tanh(scores / cap)
  weights = np.exp(scores - scores.max(-1, keepdims=True))
  y = weights / weights.sum(-1, keepdims=True) @ v
  y = np.einsum('bhnc,dhc->bnd', y, w[f'{name}/post/w'])
  return y + w[f'{name}/post/b']


def gelu(x):
  return x / 2 * (1 + np.asarray(jax.lax.erf(x / np.sqrt(2))))


def encoded(w, name, x, cap):
  at = f'{name}_encoder/transformers_stack/x_layers/'
  stacks = {n[len(at) :]: a for n, a in w.items() if n.startswith(at)}
  for i in range(len(stacks['layer_norm/bias'])):
    own = {n: a[i] for n, a in stacks.items()}
    y = normalised(own, 'layer_norm', x)
    x = x + attended(own, 'self_attention', y, y, cap=cap)
    y = normalised(own, 'ff_layer/layer_norm', x)
    first, second = (f'ff_layer/ffn_layer{n}/linear' for n in (1, 2))
    y = gelu(y @ own[f'{first}/kernel'] + own[f'{first}/bias'])
    x = x + y @ own[f'{second}/kernel'] + own[f'{second}/bias']
  return x


def reference(w, video, cap=CAP):
  """Returns tokens [b, t, h, w, d] and LvT's embedding, None without it."""
  w = {n.removeprefix('params/'): a.astype(np.float64) for n, a in w.items()}
  lvt = any(n.startswith('vision_encoder/') for n in w)
  at = 'vision_encoder/' if lvt else ''
  b, t, height, width, _ = video.shape
  rows, columns = height // PATCH, width // PATCH
  x = video.astype(np.float64)
  x = x.reshape(b * t, rows, PATCH, columns, PATCH, 3)
  x = x.transpose(0, 1, 3, 2, 4, 5).reshape(b * t, rows * columns, -1)
  x = x @ w[f'{at}patch_projection/linear/kernel']
  x = x + w[f'{at}patch_projection/linear/bias']
  table = w[f'{at}spatial_pos_emb/emb_var'].reshape(SIDE, SIDE, D)
  table = resized(table, (rows, columns, D)).reshape(-1, D)
  x = encoded(w, f'{at}spatial', x + table, cap)
  x = normalised(w, f'{at}spatial_ln', x)
  x = x.reshape(b, t, -1, D).swapaxes(1, 2).reshape(-1, t, D)
  x = x + resized(w[f'{at}temporal_pos_emb/emb_var'], (t, D))
  x = encoded(w, f'{at}temporal', x, cap)
  x = normalised(w, f'{at}temporal_ln', x)
  x = x.reshape(b, -1, t, D).swapaxes(1, 2).reshape(b, -1, D)
  if not lvt:
    return x.reshape(b, t, rows, columns, D), None
  x = encoded(w, 'auxiliary', x, cap)
  pooler = 'contrastive_vision_pooler'
  at = f'{pooler}/pooling_attention'
  factors = np.logaddexp(0, w[f'{at}/per_dim_scale/per_dim_scale'])
  scale = factors / np.log(2) / np.sqrt(len(factors))
  query = np.repeat(w[f'{pooler}/pooling_attention_query'][None], b, 0)
  y = attended(w, at, query, x, scale)[:, 0]
  y = normalised(w, f'{pooler}/pooling_attention_layer_norm', y)
  y = y / np.sqrt((y * y).sum(-1, keepdims=True))
  return x.reshape(b, t, rows, columns, D), y


def resized(table, shape):
  """As its code resizes tables, in float32."""
  if table.shape == shape:
    return table
  return np.asarray(jax.image.resize(table, shape, 'bilinear'), np.float64)


def save(w, tmp_path):
  path = tmp_path / 'flax_base_f16r288_repeated.npz'
  np.savez(path, **w)
  return path


@pytest.mark.parametrize('lvt', [False, True], ids=['plain', 'lvt'])
def test_features(tmp_path, lvt):
  w = arrays(lvt)
  video = converted.video(2, TIMES, 8, 8, 3)
  path = save(w, tmp_path)
  ours, report = converted.encode('videoprism', path, video, tmp_path)
  grid, embedding = reference(w, video)
  assert converted.relative_error(ours.grid, grid) < 1e-5
  summary = grid.mean((1, 2, 3)) if embedding is None else embedding
  assert converted.relative_error(ours.summary, summary) < 1e-5
  said = published.read_metadata(str(tmp_path / 'videoprism.safetensors'))
  assert said['backbone']['tubelet'] == [1, PATCH, PATCH]
  assert (said['grid'], said['mean'], said['std']) == ([3, 2, 2], 0.0, 1.0)
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert len(left) == (2 if lvt else 0)


def test_scores_of_these_arrays_are_capped():
  w = arrays()
  video = converted.video(1, TIMES, 8, 8, 3)
  capped, free = (reference(w, video, cap)[0] for cap in (CAP, None))
  assert converted.relative_error(capped, free) > 1e-4


@pytest.mark.parametrize('shape', [(5, 12, 8), (2, 4, 16)])
def test_features_of_other_clips(tmp_path, shape):
  """Tables are resized by its code's rule in space and in time."""
  w = arrays(lvt=True)
  path, out = save(w, tmp_path), str(tmp_path / 'out.safetensors')
  video = converted.video(1, *shape, 3)
  converted.convert_file('videoprism', path, out)
  ours = resized_lib.encode(out, video)
  grid, embedding = reference(w, video)
  assert converted.relative_error(ours.grid, grid) < 1e-5
  assert converted.relative_error(ours.summary, embedding) < 1e-5


@pytest.mark.parametrize('lvt', [False, True], ids=['plain', 'lvt'])
def test_round_trip_is_exact(tmp_path, lvt):
  w = {n.removeprefix('params/'): a for n, a in arrays(lvt).items()}
  w = {n: a for n, a in w.items() if not n.startswith('text_encoder/')}
  back = converted.round_trip('videoprism', save(w, tmp_path), tmp_path)
  assert back.keys() == w.keys()
  for name, array in back.items():
    if name.endswith('pooling_attention/key/b'):
      assert not array.any()
    elif name.endswith('/scale'):
      # Theirs is added to 1, in float32, before anything else is done.
      np.testing.assert_array_equal(1 + array, 1 + w[name])
    else:
      np.testing.assert_array_equal(array, w[name], err_msg=name)


@pytest.mark.parametrize('name', ['videoprism_b', 'videoprism_l'])
def test_presets_have_as_many_parameters_as_is_printed(name):
  preset = presets.find(name)
  model = backbones.build(preset.fields)
  video = jnp.zeros((1, preset.clip['frames'], 288, 288, 3))
  tree = jax.eval_shape(lambda: model.init(jax.random.key(0), video, False))
  count = sum(x.size for x in jax.tree.leaves(tree))
  assert round(count / 1e6) == preset.published.parameters


@pytest.mark.parametrize(
  'change, said',
  [
    (
      lambda w: w.pop('params/spatial_ln/scale'),
      'missing +spatial_ln/scale',
    ),
    (
      lambda w: w.update({'params/extra/b': np.ones(2, np.float32)}),
      'unexpected +extra/b',
    ),
    (
      lambda w: w.update(
        {'params/patch_projection/linear/kernel': np.ones((50, D))}
      ),
      'of 50 numbers, not of squares',
    ),
  ],
)
def test_what_differs_is_named(tmp_path, change, said):
  w = arrays()
  change(w)
  with pytest.raises(WeightsError, match=said):
    importing.load('videoprism', str(save(w, tmp_path)))
