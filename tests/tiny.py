"""Every transformer, as small as can be, and a video for it."""

import zlib

import jax
import numpy as np

from vidpetl.backbones import hiera, mvit, swin, vit, vivit
from vidpetl.parameters import trainable
from vidpetl.studies import flops

VIDEO = np.random.default_rng(0).normal(size=(2, 4, 16, 16, 3))
VIDEO = VIDEO.astype(np.float32)
SIZE = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 8}


def make_vivit(attention, **fields):
  options = {'tubelet': (2, 8, 8), 'stochastic_depth': 0.0, **fields}
  return vivit.build(attention=attention, **SIZE, **options)


BACKBONES = {
  'dense': lambda **o: make_vivit('factorised_encoder', temporal_depth=1, **o),
  'spacetime': lambda **o: make_vivit('spacetime', classifier='token', **o),
  'self_attention': lambda **o: make_vivit('factorised_self_attention', **o),
  'dot_product': lambda **o: make_vivit('factorised_dot_product', **o),
  'mae': lambda **o: vit.build(kind='mae', patch=8, **SIZE, **o),
  'videomae': lambda **o: vit.build(kind='videomae', patch=8, **SIZE, **o),
  'clip': lambda **o: vit.build(kind='clip', patch=8, **SIZE, **o),
  # Its windows are padded and shifted in the first stage, and cut in the next.
  'swin': lambda **o: swin.build(
    width=8, depths=(2, 1), heads=(2, 4), window=(2, 3, 3), **o
  ),
  # Tokens are pooled and widened twice, within units and among all.
  'hiera': lambda **o: hiera.build(
    width=8, depths=(1, 1, 1), heads=2, patch=(2, 2, 2), unit=(1, 4, 4), **o
  ),
  # Queries and keys are pooled, and there is a class token.
  'mvit': lambda **o: mvit.build(
    width=8, depths=(1, 1), heads=2, key_strides=(1, 2, 2), **o
  ),
}


def at_a_site(path):
  return '/site_' in '/' + path


def key(seed):
  """Of a generator that compiles quickly."""
  return jax.random.key(seed, impl='unsafe_rbg')


def initial(model, video=VIDEO):
  """Returns variables; as one program, not one for each operation."""
  return jax.jit(lambda: model.init(key(0), video, False))()


def shapes(model):
  tree = jax.eval_shape(lambda: model.init(key(0), VIDEO, False))
  flat = trainable.flatten(tree['params'])
  return {path: x.shape for path, x in flat.items()}


def random(shapes):
  return {
    path: np.random.default_rng(zlib.crc32(path.encode()))
    .normal(scale=0.3, size=shape)
    .astype(np.float32)
    for path, shape in shapes.items()
  }


def equations(jaxpr):
  """Yields the equations of a function, and of those that it calls."""
  for eqn in jaxpr.eqns:
    yield eqn
    for inner in flops.within(eqn):
      yield from equations(inner)
