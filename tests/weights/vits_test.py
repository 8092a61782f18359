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
    ('videomae', 'videomae', 'H', (2, 16, 16)),
    ('videomae', 'videomae', 'g', (2, 14, 14)),
  ],
)
def test_published_sizes(name, kind, variant, video):
  model = vit.build(kind=kind, variant=variant)
  layout = family.load(name).layout(shapes_of(model, video), 'vit')
  fields = dict(layout.backbone)
  assert fields.pop('name') == 'vit'
  assert vit.build(**fields) == model
  assert layout.video == video


def test_heads_have_to_divide_the_width():
  assert transformers.head_width(96, 4) == 24
  with pytest.raises(WeightsError, match='5 heads do not divide 96'):
    transformers.head_width(96, 5)
