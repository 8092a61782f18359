"""Google's .npz files, against a ViT in numpy that reads the same arrays."""

import converted
import damaged
import numpy as np
import pytest

from vidpetl.parameters import storage, variables
from vidpetl.recipes import presets
from vidpetl.training import run
from vidpetl.weights import importing, positions
from vidpetl.weights.errors import WeightsError

D, MLP, PATCH, DEPTH = 128, 192, 8, 2
TANH = np.sqrt(2 / np.pi)


def arrays(side=4, d=D, mlp=MLP, patch=PATCH, heads=2, depth=DEPTH):
  """What such a file holds, drawn so that activations are of the order of 1."""
  rng = np.random.default_rng(0)
  found = {}

  def draw(name, *shape, inputs=1, mean=0.0):
    scale = inputs**-0.5 if inputs > 1 else 0.3
    found[name] = rng.normal(mean, scale, shape).astype(np.float32)

  def layer(name, *shape, split=1):
    draw(f'{name}/kernel', *shape, inputs=int(np.prod(shape[:split])))
    draw(f'{name}/bias', *shape[split:])

  def norm(name):
    draw(f'{name}/scale', d, mean=1.0)
    draw(f'{name}/bias', d)

  layer('embedding', patch, patch, 3, d, split=3)
  draw('cls', 1, 1, d)
  draw('Transformer/posembed_input/pos_embedding', 1, 1 + side * side, d)
  for i in range(depth):
    at = f'Transformer/encoderblock_{i}'
    attention = f'{at}/MultiHeadDotProductAttention_1'
    norm(f'{at}/LayerNorm_0')
    for name in ('query', 'key', 'value'):
      layer(f'{attention}/{name}', d, heads, d // heads)
    layer(f'{attention}/out', heads, d // heads, d, split=2)
    norm(f'{at}/LayerNorm_2')
    layer(f'{at}/MlpBlock_3/Dense_0', d, mlp)
    layer(f'{at}/MlpBlock_3/Dense_1', mlp, d)
  norm('Transformer/encoder_norm')
  layer('pre_logits', d, d)
  layer('head', d, 5)
  return found


def norm(w, name, x):
  x = x - x.mean(-1, keepdims=True)
  x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
  return x * w[f'{name}/scale'] + w[f'{name}/bias']


def attend(w, name, x):
  q, k, v = (
    np.einsum('bnd,dhc->bhnc', x, w[f'{name}/{part}/kernel'])
    + w[f'{name}/{part}/bias'][:, None]
    for part in ('query', 'key', 'value')
  )
  scores = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
  y = scores / scores.sum(-1, keepdims=True) @ v
  y = np.einsum('bhnc,hcd->bnd', y, w[f'{name}/out/kernel'])
  return y + w[f'{name}/out/bias']


def mlp(w, name, x):
  dense = lambda n, y: y @ w[f'{name}/{n}/kernel'] + w[f'{name}/{n}/bias']
  x = dense('Dense_0', x)
  x = x / 2 * (1 + np.tanh(TANH * (x + 0.044715 * x**3)))
  return dense('Dense_1', x)


def reference(w, images):
  """Returns the normalised tokens of images [n, h, w, 3], class token first."""
  w = {name: array.astype(np.float64) for name, array in w.items()}
  n, side = len(images), images.shape[1] // PATCH
  x = images.astype(np.float64).reshape(n, side, PATCH, side, PATCH, 3)
  x = np.einsum('nhiwjc,ijcd->nhwd', x, w['embedding/kernel'])
  x = (x + w['embedding/bias']).reshape(n, side * side, -1)
  x = np.concatenate([np.repeat(w['cls'], n, 0), x], 1)
  x = x + w['Transformer/posembed_input/pos_embedding']
  for i in range(DEPTH):
    at = f'Transformer/encoderblock_{i}'
    y = norm(w, f'{at}/LayerNorm_0', x)
    x = x + attend(w, f'{at}/MultiHeadDotProductAttention_1', y)
    x = x + mlp(w, f'{at}/MlpBlock_3', norm(w, f'{at}/LayerNorm_2', x))
  return norm(w, 'Transformer/encoder_norm', x)


LINEN = {
  'LayerNorm_2': 'LayerNorm_1',
  'MultiHeadDotProductAttention_1': 'MultiHeadDotProductAttention_0',
  'MlpBlock_3': 'MlpBlock_0',
}


def as_linen(name):
  return '/'.join(LINEN.get(part, part) for part in name.split('/'))


@pytest.mark.parametrize(
  'rename',
  [
    lambda name: name,
    lambda name: f'opt/target/{name}',
    lambda name: f'params/{as_linen(name)}',
  ],
  ids=['bare', 'opt', 'linen'],
)
def test_features(tmp_path, rename):
  w = arrays()
  path = tmp_path / 'ViT-B_16.npz'
  np.savez(path, **{rename(name): array for name, array in w.items()})
  video = converted.video(2, 3, 32, 32, 3)
  ours, report = converted.encode('vit_npz', path, video, tmp_path)
  tokens = reference(w, video.reshape(6, 32, 32, 3)).reshape(2, 3, 17, D)
  assert converted.relative_error(ours.summary, tokens[:, :, 0].mean(1)) < 1e-4
  patches = tokens[:, :, 1:].reshape(2, 3, 4, 4, D)
  assert converted.relative_error(ours.grid, patches) < 1e-4
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert left == {
    f'{layer}/{leaf}'
    for layer in ('pre_logits', 'head')
    for leaf in ('kernel', 'bias')
  }


def test_round_trip_is_exact(tmp_path):
  w = {n: a for n, a in arrays().items() if not n.startswith('pre_logits/')}
  path = tmp_path / 'AugReg.npz'
  np.savez(path, **w)
  back = converted.round_trip('vit_npz', path, tmp_path, head='k')
  assert set(w) == set(back)
  for name, array in back.items():
    np.testing.assert_array_equal(array, w[name])


def test_a_head_behind_another_layer_is_refused(tmp_path):
  path = tmp_path / 'imagenet21k.npz'
  np.savez(path, **arrays())
  with pytest.raises(WeightsError, match='classifier reads pre_logits'):
    importing.load('vit_npz', str(path), head='k')


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'AugReg.npz'
  damaged.check(
    'vit_npz',
    arrays(),
    lambda state: np.savez(path, **state),
    path,
    block='Transformer/encoderblock_0/',
    norm='Transformer/encoder_norm/scale',
    other='timm',
  )


def test_positions_without_the_class_tokens_are_refused(tmp_path):
  """As big_vision has them."""
  w = arrays()
  name = 'Transformer/posembed_input/pos_embedding'
  w[name] = w[name][:, 1:]
  path = tmp_path / 'big_vision.npz'
  np.savez(path, **w)
  damaged.refuse('vit_npz', path, 'does not say what grid of tokens .* 16')


SPATIAL = 'backbone/SpatialTransformer'


def start(make_config, tmp_path, w, **fields):
  """Returns the model of an experiment that starts from a file; the report."""
  path = tmp_path / 'ViT-B_16.npz'
  np.savez(path, **w)
  fields = {
    'init.path': str(path),
    'init.family': 'vit_npz',
    **fields,
  }
  started = run.prepare(make_config('kinetics400', **fields))
  state, _ = started.init_state()
  model = variables.flatten(storage.to_host(state.variables))
  return model, started.report


def test_a_vivit_starts_from_images_in_half_precision(make_config, tmp_path):
  sizes = presets.find('vivit_b').tiny
  w = arrays(
    patch=16,
    d=sizes['width'],
    **{name: sizes[name] for name in ('mlp', 'heads', 'depth')},
  )
  w = {name: array.astype(np.float16) for name, array in w.items()}
  model, report = start(make_config, tmp_path, w)
  assert {array.dtype.name for array in model.values()} == {'float32'}
  kernel = model['backbone/embedding/kernel']
  assert kernel.shape[0] == 2 and not kernel[0].any()
  np.testing.assert_array_equal(kernel[1], w['embedding/kernel'])
  table = w['Transformer/posembed_input/pos_embedding'][:, 1:]
  np.testing.assert_array_equal(
    model[f'{SPATIAL}/posembed_input/pos_embedding'],
    positions.resize(table, (4, 4), (2, 2)),
  )
  at = 'encoderblock_0/MultiHeadDotProductAttention'
  np.testing.assert_array_equal(
    model[f'{SPATIAL}/{at}_0/out/kernel'],
    w[f'Transformer/{at}_1/out/kernel'],
  )
  np.testing.assert_array_equal(
    model[f'{SPATIAL}/encoder_norm/scale'], w['Transformer/encoder_norm/scale']
  )
  assert not any('cls' in name for name in model)
  resized = {row.ours: row.note for row in report.rows if row.note != 'skip'}
  assert resized[f'{SPATIAL}/posembed_input/pos_embedding'] == (
    "4x4 to 2x2 tokens, linear, without the class token's"
  )
  assert resized['backbone/embedding/kernel'] == 'central'


def test_what_images_have_nothing_for_stays_fresh(make_config, tmp_path):
  w = arrays(d=8, heads=2, depth=1, mlp=16, patch=16)
  _, report = start(make_config, tmp_path, w)
  new = {row.ours for row in report.rows if row.note.startswith('not among')}
  assert new and all(
    name.startswith('backbone/TemporalTransformer/') for name in new
  )
