"""Techniques against the official structures, as `official` writes them.

Outputs and the gradients of all parameters, for random parameters.
"""

import functools

import jax
import numpy as np
import pytest
import tiny

torch = pytest.importorskip('torch')

from petl import official, official_swin  # noqa: E402

from vidpetl.backbones import swin, vit  # noqa: E402
from vidpetl.parameters import trainable  # noqa: E402
from vidpetl.petl import bindings  # noqa: E402
from vidpetl.recipes import methods  # noqa: E402

pytestmark = pytest.mark.torch

WINDOW = (2, 3, 3)


def video(side=16):
  drawn = np.random.default_rng(0).normal(size=(2, 4, side, side, 3))
  return drawn.astype(np.float32)


def image_vit(kind, **fields):
  return vit.build(kind=kind, patch=8, **{**tiny.SIZE, 'depth': 2, **fields})


def wave(y):
  """Weights of outputs, so that a loss depends on all of them."""
  return np.cos(np.arange(np.prod(y.shape))).reshape(y.shape)


def ours(model, params, clips):
  def loss(params):
    tree = trainable.unflatten(params)
    out = model.apply({'params': tree}, clips, False)
    read = (out.summary, out.grid)
    return sum((y * wave(y)).sum() for y in read), read

  grads, (summary, grid) = jax.jit(jax.grad(loss, has_aux=True))(params)
  return np.asarray(summary), np.asarray(grid), grads


def theirs(network, params, clips):
  leaves = {
    path: torch.from_numpy(x).requires_grad_() for path, x in params.items()
  }
  summary, grid = network(leaves, torch.from_numpy(clips))
  loss = sum((y * torch.from_numpy(wave(y))).sum() for y in (summary, grid))
  loss.backward()
  grads = {path: x.grad for path, x in leaves.items()}
  return summary.detach().numpy(), grid.detach().numpy(), grads


def check(model, network, clips):
  shapes = trainable.flatten(
    jax.eval_shape(lambda: model.init(tiny.key(0), clips, False))['params']
  )
  params = tiny.random({path: x.shape for path, x in shapes.items()})
  summary, grid, grads = ours(model, params, clips)
  summary_, grid_, grads_ = theirs(network, params, clips)
  np.testing.assert_allclose(summary, summary_, rtol=0, atol=1e-5)
  np.testing.assert_allclose(grid.ravel(), grid_.ravel(), rtol=0, atol=2e-5)
  for path, grad in grads.items():
    other = grads_[path]
    other = np.zeros_like(grad) if other is None else other.numpy()
    scale = max(np.abs(other).max(), 1e-2)
    np.testing.assert_allclose(
      grad / scale, other / scale, rtol=0, atol=1e-4, err_msg=path
    )


def frames(run, summary='norm_mean', **options):
  run = functools.partial(run, **options)
  return functools.partial(official.of_frames, run=run, summary=summary)


def lora(flat, clips):
  merged = official.lora_merged(flat, alpha=6.0)
  return official.of_frames(merged, clips, official.plain, 'norm_mean')


MST = {'bottleneck': 4, 'kernels': ((3,), (5,), (1, 3, 3))}
# Of CLIP: name -> (method, options, summary, the official network).
ON_CLIP = {
  'aim': (
    'aim', {}, 'norm_mean', frames(official.aim, scale=0.5, two=False),
  ),
  'aim of order': (
    'aim:ssv2_b16', {}, 'norm_mean', frames(official.aim, scale=1.0, two=True),
  ),
  'st_adapter 24': (
    'st_adapter:ssv2_b16', {'bottleneck': 4}, 'mean_norm',
    frames(official.st_adapted, 'mean_norm'),
  ),
  'st_adapter 12': (
    'st_adapter:k400_b16', {'bottleneck': 4}, 'mean_norm',
    frames(official.st_adapted, 'mean_norm'),
  ),
  'st_adapter 3x3x3': (
    'st_adapter', {'bottleneck': 4, 'kernel': (3, 3, 3)}, 'norm_mean',
    frames(official.st_adapted),
  ),
  **{
    f'mst {placement}': (
      'mst_adapter', {**MST, 'placement': placement}, 'norm_mean',
      frames(official.mst, placement=placement),
    )
    for placement in methods.PLACEMENTS
  },
  'mst past class tokens': (
    'mst_adapter',
    {**MST, 'cls': False, 'fuse': 'average', 'dense': False},
    'norm_mean',
    frames(official.mst, placement='post_residual', cls=False),
  ),
  'vpt': (
    'vpt', {'tokens': 3}, 'norm_mean', frames(official.vpt_deep, patches=4),
  ),
  'lora': ('lora', {'rank': 2, 'alpha': 6.0}, 'norm_mean', lora),
}  # fmt: skip


@pytest.mark.parametrize('name', ON_CLIP)
def test_on_clip(name):
  method, options, summary, network = ON_CLIP[name]
  entries, _ = methods.make(method, **options)
  backbone = image_vit('clip', summary=summary)
  check(bindings.bind(backbone, entries), network, video())


def test_tokshift_shifts_the_stream_before_both_branches():
  entries = [
    {'site': site, 'technique': 'cls_shift'}
    for site in ('block_in', 'attn_residual')
  ]
  model = bindings.bind(image_vit('clip'), entries)
  check(model, frames(official.tokshift), video())


@pytest.mark.parametrize(
  'mode, norm, scale',
  [
    ('parallel', 'none', 0.1),
    ('parallel', 'in', 0.1),
    ('parallel', 'out', 0.1),
    ('sequential', 'none', 0.1),
    ('sequential', 'none', 'learned'),
  ],
)
def test_adaptformer_on_mae(mode, norm, scale):
  site = 'mlp_residual' if mode == 'parallel' else 'mlp'
  entry = {
    'site': site, 'technique': 'adapter', 'bottleneck': 4, 'mode': mode,
    'norm': norm, 'scale': scale,
  }  # fmt: skip
  network = frames(
    official.adaptformer, 'mean', mode=mode, layer_norm=norm, scale=scale
  )
  check(bindings.bind(image_vit('mae'), [entry]), network, video())


@pytest.mark.parametrize(
  'method, options',
  [
    ('patt', {'bottleneck': 3, 'to': 'kv'}),
    ('patt', {'bottleneck': 3, 'to': 'qv'}),
    ('bapat', {'bottleneck': 3, 'to': 'qkv', 'adapter': 2}),
    ('prefix', {'tokens': 4, 'bottleneck': 3, 'adapter': 2}),
    ('adaptformer', {'bottleneck': 2}),
  ],
)
def test_vpetl_in_windows_of_swin(method, options):
  entries, _ = methods.make(method, **options)
  backbone = swin.build(width=8, depths=(2,), heads=(2,), window=WINDOW)
  network = functools.partial(
    official_swin.swin, window=WINDOW, to=options.get('to', '')
  )
  check(bindings.bind(backbone, entries), network, video(24))
