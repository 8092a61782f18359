"""What families of ViTs read off the shapes of published files."""

import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import vit
from vidpetl.parameters import variables
from vidpetl.weights import family
from vidpetl.weights.errors import WeightsError


def shapes_of(model, video):
  tree = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, *video, 3)), False)
  )
  return {n: leaf.shape for n, leaf in variables.flatten(tree).items()}


@pytest.mark.parametrize(
  'name, kind, variant, video',
  [
    ('clip', 'clip', 'B', (1, 224, 224)),
    ('clip_hf', 'clip', 'L', (1, 224, 224)),
    ('clip', 'clip', 'L', (1, 336, 336)),
    ('vit_npz', 'augreg', 'B', (1, 384, 384)),
    ('timm', 'mae', 'L', (1, 224, 224)),
    ('videomae', 'videomae', 'L', (2, 16, 16)),
  ],
)
def test_published_sizes(name, kind, variant, video):
  model = vit.build(kind=kind, variant=variant)
  layout = family.load(name).layout(shapes_of(model, video), 'vit')
  fields = dict(layout.backbone)
  assert fields.pop('name') == 'vit'
  assert vit.build(**fields) == model
  assert layout.video == video


@pytest.mark.parametrize(
  'name, width, heads',
  [
    ('timm', 192, 3),
    ('videomae', 384, 6),
    ('mae', 768, 12),
    ('mae', 1024, 16),
    ('videomae_hf', 1280, 16),
    ('clip', 1408, 16),
    ('clip_hf', 1664, 16),
  ],
)
def test_heads_are_those_published_with_that_width(name, width, heads):
  shapes = {'blocks.0.norm1.weight': (width,)}
  assert family.load(name).axes(shapes, {}) == {'c': width // heads}


def test_heads_of_other_widths_are_asked_for():
  axes, shapes = family.load('mae').axes, {'blocks.0.norm1.weight': (96,)}
  with pytest.raises(WeightsError, match=r'the 96 channels .*--set heads='):
    axes(shapes, {})
  assert axes(shapes, {'heads': 4}) == {'c': 24}
  with pytest.raises(WeightsError, match='5 heads do not divide 96'):
    axes(shapes, {'heads': 5})
