"""What families of ViTs read off the shapes of published files."""

import jax
import jax.numpy as jnp
import pytest
import small

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
  assert head_width(name, width) == width // heads


def head_width(name, width, **told):
  shapes = {'blocks.0.norm1.weight': (width,)}
  return transformers.head_width(family.load(name).heads, shapes, told)


def test_heads_of_other_widths_are_asked_for():
  with pytest.raises(WeightsError, match=r'the 96 channels .*--set heads='):
    head_width('mae', 96)
  assert head_width('mae', 96, heads=4) == 24
  with pytest.raises(WeightsError, match='5 heads do not divide 96'):
    head_width('mae', 96, heads=5)


def test_heads_that_nobody_tells_are_said(tmp_path):
  found = small.load(small.mae(), tmp_path)
  assert found.layout.backbone['heads'] == 1
  (said,) = [note for note in found.notes if 'no array shows heads: 1' in note]
  assert 'S, B and L have 64 channels' in said
  told = small.load(small.mae(), tmp_path, settings={'heads': 4})
  assert told.layout.backbone['heads'] == 4
  assert not any('heads' in note for note in told.notes)
  said = transformers.heads_note(
    transformers.HEADS, {'width': 768, 'heads': 12}
  )
  assert said.startswith('no array shows heads: 12 is taken, that of published')
