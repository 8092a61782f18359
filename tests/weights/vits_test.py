"""What families of ViTs read off the shapes of published files."""

import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import vit
from vidpetl.parameters import variables
from vidpetl.weights import family, transformers
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


def test_widths_of_heads_that_no_file_shows():
  for width, heads in (
    (192, 3),
    (384, 6),
    (768, 12),
    (1024, 16),
    (1280, 16),
    (1408, 16),
    (1664, 16),
  ):
    assert transformers.head_size(width) * heads == width
  with pytest.raises(WeightsError, match='no published ViT is 100 wide'):
    transformers.head_size(100)
