"""4DS's and RVM's files, against the published structures in numpy."""

import converted
import jax
import numpy as np
import pytest
import resized

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.recipes import presets
from vidpetl.weights import importing, positions
from vidpetl.weights.errors import WeightsError

D, HEADS, MLP, DEPTH = 24, 2, 32, 2
CORE = {'heads': 4, 'mlp': 40, 'depth': 2}


class Drawn(dict):
  """Arrays of random numbers, under the names of Flax and kauldron."""

  def __init__(self):
    self._rng = np.random.default_rng(0)

  def draw(self, name, *shape, std=0.3):
    self[name] = self._rng.normal(0, std, shape).astype(np.float32)

  def norm(self, name):
    self.draw(f'{name}/scale', D)
    self.draw(f'{name}/bias', D)

  def dense(self, name, i, o):
    self.draw(f'{name}/kernel', i, o, std=i**-0.5)
    self.draw(f'{name}/bias', o)

  def attention(self, name, heads):
    for part in ('query', 'key', 'value', 'out'):
      split = heads, D // heads
      shape = (*split, D) if part == 'out' else (D, *split)
      self.draw(f'{name}/{part}/kernel', *shape, std=D**-0.5)
      self.draw(f'{name}/{part}/bias', *((D,) if part == 'out' else split))

  def block(self, name, heads, mlp, cross=False):
    for part in ('attention', *(('ca_attention',) if cross else ())):
      self.norm(f'{name}/{part}_norm')
      self.attention(f'{name}/{part}', heads)
    self.norm(f'{name}/mlp_norm')
    self.dense(f'{name}/mlp/dense_in', D, mlp)
    self.dense(f'{name}/mlp/dense_out', mlp, D)


def scaling4d(grid, tubelet):
  w = Drawn()
  at = 'encoder/patch_embedding/Conv_0'
  w.draw(f'{at}/kernel', *tubelet, 3, D, std=0.1)
  w.draw(f'{at}/bias', D)
  w.draw('encoder/posenc/embeddings', *grid, D)
  for i in range(DEPTH):
    w.block(f'processor/layers_{i}', HEADS, MLP)
  return w


def rvm(patch=4):
  w = Drawn()
  w.draw('cls_token', 1, D)
  at = 'tokenizer/patch_embedding/Conv_0'
  w.draw(f'{at}/kernel', 1, patch, patch, 3, D, std=0.1)
  w.draw(f'{at}/bias', D)
  for i in range(DEPTH):
    w.block(f'encoder/layers_{i}', HEADS, MLP)
  w.norm('encoder/LayerNorm_0')
  for gate in ('update', 'reset'):
    for side in ('input', 'state'):
      w.draw(f'rnn_core/{side}_{gate}/kernel', D, D, std=D**-0.5)
  w.draw('rnn_core/state_layer_norm/scale', D, std=1)
  for i in range(CORE['depth']):
    at = f'rnn_core/transformer/xa_blocks_{i}'
    w.block(at, CORE['heads'], CORE['mlp'], cross=True)
  w.norm('rnn_core/transformer/output_norm')
  return w


def normalised(x, scale, bias=0.0, epsilon=1e-6):
  x = x - x.mean(-1, keepdims=True)
  return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * scale + bias


class Written:
  """Layers as Flax and kauldron have them, in float64."""

  def __init__(self, w):
    self.w = {name: array.astype(np.float64) for name, array in w.items()}

  def norm(self, name, x):
    return normalised(x, self.w[f'{name}/scale'], self.w[f'{name}/bias'])

  def attention(self, name, x, context):
    q, k, v = (
      np.einsum('bnd,dhc->bhnc', y, self.w[f'{name}/{part}/kernel'])
      + self.w[f'{name}/{part}/bias'][:, None]
      for part, y in (('query', x), ('key', context), ('value', context))
    )
    weights = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
    y = weights / weights.sum(-1, keepdims=True) @ v
    y = np.einsum('bhnc,hcd->bnd', y, self.w[f'{name}/out/kernel'])
    return y + self.w[f'{name}/out/bias']

  def mlp(self, name, x):
    dense = lambda n, y: (
      y @ self.w[f'{name}/{n}/kernel'] + self.w[f'{name}/{n}/bias']
    )
    x = dense('dense_in', x)
    x = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return dense('dense_out', x)

  def block(self, name, x):
    y = self.norm(f'{name}/attention_norm', x)
    x = x + self.attention(f'{name}/attention', y, y)
    return x + self.mlp(f'{name}/mlp', self.norm(f'{name}/mlp_norm', x))

  def cross_block(self, name, x, context):
    y = self.norm(f'{name}/ca_attention_norm', x)
    x = x + self.attention(f'{name}/ca_attention', y, context)
    x = x + self.mlp(f'{name}/mlp', self.norm(f'{name}/mlp_norm', x))
    y = self.norm(f'{name}/attention_norm', x)
    return x + self.attention(f'{name}/attention', y, y)

  def embedded(self, name, video):
    """Returns tokens [b, t, h, w, d] of tubelets."""
    kernel = self.w[f'{name}/kernel']
    b, *sizes, _ = video.shape
    (t, i), (h, j), (w, k) = (
      (size // part, part) for size, part in zip(sizes, kernel.shape)
    )
    x = video.astype(np.float64).reshape(b, t, i, h, j, w, k, 3)
    x = np.einsum('btihjwkc,ijkcd->bthwd', x, kernel)
    return x + self.w[f'{name}/bias']


def reference_4ds(w, video):
  """Returns what the last block makes, [b, t, h, w, d]."""
  net = Written(w)
  x = net.embedded('encoder/patch_embedding/Conv_0', video)
  shape = x.shape
  table = net.w['encoder/posenc/embeddings']
  x = (x + table).reshape(shape[0], -1, D)
  for i in range(DEPTH):
    x = net.block(f'processor/layers_{i}', x)
  return x.reshape(shape)


def sines(rows, columns):
  """Returns fixed positions [rows, columns, d], numbered on 16 x 16."""
  number, channel = np.arange(256)[:, None], np.arange(D)
  angle = number / 10000 ** (2 * (channel // 2) / D)
  table = np.where(channel % 2, np.cos(angle), np.sin(angle))
  table = table.astype(np.float32).reshape(16, 16, D)
  if (rows, columns) == (16, 16):
    return table
  return np.asarray(jax.image.resize(table, (rows, columns, D), 'bicubic'))


def reference_rvm(w, video):
  """Returns states [b, t, h, w, d], frame by frame."""
  net, sigmoid = Written(w), lambda x: 1 / (1 + np.exp(-x))
  x = net.embedded('tokenizer/patch_embedding/Conv_0', video)
  b, t, rows, columns, _ = x.shape
  x = (x + sines(rows, columns)).reshape(b, t, -1, D)
  cls = np.broadcast_to(net.w['cls_token'], (b, t, 1, D))
  x = np.concatenate([cls, x], 2)
  state, states = np.zeros((b, 1 + rows * columns, D)), []
  for moment in range(t):
    y = x[:, moment]
    for i in range(DEPTH):
      y = net.block(f'encoder/layers_{i}', y)
    y = net.norm('encoder/LayerNorm_0', y)
    update, reset = (
      sigmoid(
        y @ net.w[f'rnn_core/input_{gate}/kernel']
        + state @ net.w[f'rnn_core/state_{gate}/kernel']
      )
      for gate in ('update', 'reset')
    )
    scale = net.w['rnn_core/state_layer_norm/scale']
    context = reset * normalised(state, scale, epsilon=1e-4)
    for i in range(CORE['depth']):
      at = f'rnn_core/transformer/xa_blocks_{i}'
      y = net.cross_block(at, y, context)
    y = net.norm('rnn_core/transformer/output_norm', y)
    state = (1 - update) * state + update * y
    states.append(state[:, 1:])
  return np.stack(states, 1).reshape(b, t, rows, columns, D)


def save(w, tmp_path):
  path = tmp_path / 'published.npz'
  np.savez(path, **w)
  return path


@pytest.mark.parametrize('shape', [(4, 16, 16), (6, 8, 24)])
def test_features_of_4ds(tmp_path, shape):
  """Beside a readout, as in the file for depth; of other clips as well."""
  grid = (2, 4, 4)
  w = scaling4d(grid, (2, 4, 4))
  named = {f'params/layers_0/{name}': array for name, array in w.items()}
  named['params/layers_2/LayerNorm_0/scale'] = np.ones(D, np.float32)
  path, out = save(named, tmp_path), str(tmp_path / 'out.safetensors')
  converted.convert_file('scaling4d', path, out, grid=grid)
  video = converted.video(1, *shape, 3)
  new = tuple(size // part for size, part in zip(shape, (2, 4, 4)))
  table = w['encoder/posenc/embeddings'].reshape(1, -1, D)
  table = positions.resize(table, grid, new, rule='linear_antialias')
  w['encoder/posenc/embeddings'] = table.reshape(*new, D)
  ours, expected = resized.encode(out, video), reference_4ds(w, video)
  assert converted.relative_error(ours.grid, expected) < 1e-5
  mean = expected.mean((1, 2, 3))
  assert converted.relative_error(ours.summary, mean) < 1e-5


@pytest.mark.parametrize('shape', [(3, 64, 64), (2, 8, 12)])
def test_features_of_rvm(tmp_path, shape):
  """Of 16 x 16 tokens, and of fewer, for which positions are resized."""
  w = rvm()
  named = {**w, 'decoder/x': np.ones(2), 'mask_token': np.ones(2)}
  video = converted.video(1, *shape, 3)
  ours, report = converted.encode('rvm', save(named, tmp_path), video, tmp_path)
  assert converted.relative_error(ours.grid, reference_rvm(w, video)) < 1e-5
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert left == {'decoder/x', 'mask_token'}
  said = published.read_metadata(str(tmp_path / 'rvm.safetensors'))['backbone']
  assert {name: said[f'core_{name}'] for name in CORE} == CORE


@pytest.mark.parametrize(
  'name, w, grid',
  [
    ('scaling4d', scaling4d((2, 3, 4), (2, 4, 4)), (2, 3, 4)),
    ('rvm', rvm(), ()),
  ],
)
def test_round_trips_are_exact(tmp_path, name, w, grid):
  back = converted.round_trip(name, save(w, tmp_path), tmp_path, grid=grid)
  assert back.keys() == w.keys()
  for theirs, array in back.items():
    np.testing.assert_array_equal(array, w[theirs], err_msg=theirs)


@pytest.mark.parametrize('name', ['scaling4d_b', 'rvm_s', 'rvm_l'])
def test_presets_have_as_many_parameters_as_is_printed(name):
  preset = presets.find(name)
  model = backbones.build(preset.fields)
  side = preset.clip['resolution']
  video = np.zeros((1, preset.clip['frames'], side, side, 3), np.float32)
  tree = jax.eval_shape(lambda: model.init(jax.random.key(0), video, False))
  count = sum(x.size for x in jax.tree.leaves(tree)) / 1e6
  # They are printed rounded up.
  assert preset.published.parameters == np.ceil(count)


@pytest.mark.parametrize(
  'name, w, change, said',
  [
    ('rvm', rvm, lambda w: w.pop('cls_token'), 'missing +cls_token'),
    (
      'rvm',
      rvm,
      lambda w: w.update({'rnn_core/x': np.ones(2)}),
      'unexpected +rnn_core/x',
    ),
  ],
)
def test_what_differs_is_named(tmp_path, name, w, change, said):
  w = w()
  change(w)
  with pytest.raises(WeightsError, match=said):
    importing.load(name, str(save(w, tmp_path)))
