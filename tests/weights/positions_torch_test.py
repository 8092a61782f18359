"""Tables resized by each code's own rule, against that code."""

import numpy as np
import pytest
import torchvision_build

from vidpetl.weights import family, positions

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

SIZES = [
  ((4, 4), (7, 7)),
  ((7, 7), (4, 4)),
  ((14, 14), (16, 9)),
  ((37, 37), (16, 16)),
  ((5, 8), (12, 3)),
  ((2, 2), (3, 2)),
]


def table(n, d=3):
  return np.random.default_rng(n).normal(size=(1, n, d)).astype(np.float32)


def interpolated(x, old, new, **options):
  grid = torch.from_numpy(x).reshape(1, *old, -1).permute(0, 3, 1, 2)
  out = torch.nn.functional.interpolate(
    grid, size=new, mode='bicubic', align_corners=False, **options
  )
  return out.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], -1).numpy()


@pytest.mark.parametrize('old, new', SIZES)
@pytest.mark.parametrize(
  'rule, options',
  [('bicubic', {}), ('bicubic_antialias', {'antialias': True})],
)
def test_is_pytorchs_interpolation(rule, options, old, new):
  x = table(1 + np.prod(old))
  ours = positions.resize(x, old, new, cls=1, rule=rule)
  np.testing.assert_array_equal(ours[:, 0], x[:, 0])
  expected = interpolated(x[:, 1:], old, new, **options)
  np.testing.assert_allclose(ours[:, 1:], expected, atol=1e-5)


CLIPS = [((4, 4, 4), (8, 7, 7)), ((8, 5, 7), (3, 4, 9)), ((1, 4, 4), (3, 5, 5))]


@pytest.mark.parametrize('old, new', CLIPS)
@pytest.mark.parametrize(
  'rule, mode',
  [
    ('linear_centred', 'bilinear'),
    ('bicubic', 'bicubic'),
    ('bicubic_antialias', 'bicubic'),
  ],
)
def test_pytorchs_codes_resize_time_linearly_between_centres(
  rule, mode, old, new
):
  x = table(np.prod(old))
  grid = torch.from_numpy(x).reshape(*old, -1)
  over_time = grid.permute(1, 2, 3, 0).flatten(0, 1)
  over_time = torch.nn.functional.interpolate(
    over_time, size=new[0], mode='linear'
  )
  images = over_time.unflatten(0, old[1:]).permute(3, 2, 0, 1)
  expected = torch.nn.functional.interpolate(
    images, size=new[1:], mode=mode, antialias=rule.endswith('antialias')
  )
  expected = expected.permute(0, 2, 3, 1).reshape(1, np.prod(new), -1)
  ours = positions.resize(x, old, new, rule=rule)
  np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize('old, new', SIZES)
def test_timm_resizes_as_its_family(old, new):
  torchvision_build.load()
  from timm.layers import resample_abs_pos_embed  # noqa: PLC0415

  x = table(1 + np.prod(old))
  expected = resample_abs_pos_embed(
    torch.from_numpy(x), list(new), list(old), num_prefix_tokens=1
  )
  rule = family.load('timm').positions
  ours = positions.resize(x, old, new, cls=1, rule=rule)
  np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize('new', [(4, 4), (11, 5), (16, 16)])
@pytest.mark.parametrize(
  'name, prefix', [('clip_hf', 'CLIPVision'), ('dinov2_hf', 'Dinov2')]
)
def test_transformers_resizes_as_its_families(name, prefix, new):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = getattr(transformers, f'{prefix}Config')(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    image_size=32,
    patch_size=4,
  )
  x = table(1 + 8 * 8, 32)
  inside = getattr(transformers, f'{prefix}Model')(config).eval()
  at = getattr(inside, 'vision_model', inside).embeddings
  blank = torch.zeros(1, 1 + new[0] * new[1], 32)
  with torch.no_grad():
    if name == 'clip_hf':
      at.position_embedding.weight.copy_(torch.from_numpy(x[0]))
    else:
      at.position_embeddings.copy_(torch.from_numpy(x))
    expected = at.interpolate_pos_encoding(blank, new[0] * 4, new[1] * 4)
  rule = family.load(name).positions
  ours = positions.resize(x, (8, 8), new, cls=1, rule=rule)
  np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize('new', [(1, 8, 12), (8, 3, 3)])
def test_relative_tables_as_swins_codes_resize_them(new):
  """Space bicubically, as images'; over time they are repeated."""
  side, (t, h, w) = 4, new
  x = np.random.default_rng(0).normal(size=((2 * side - 1) ** 2, 5))
  x = x.astype(np.float32)
  rule = family.load('swin2d').positions
  ours = positions.resize_relative(x, (1, side, side), new, rule)
  expected = interpolated(x[None], (2 * side - 1,) * 2, (2 * h - 1, 2 * w - 1))[
    0
  ]
  expected = np.tile(expected, (2 * t - 1, 1))
  np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize('old, new', [(15, 27), (13, 7)])
def test_torchvisions_mvit_resizes_its_axes(old, new):
  torchvision_build.load()
  from torchvision.models.video import mvit  # noqa: PLC0415

  x = table(old)
  expected = mvit._interpolate(torch.from_numpy(x[0]), new)
  ours = positions.resize(x, (old,), (new,), rule='linear_centred')
  np.testing.assert_allclose(ours[0], expected.numpy(), atol=1e-5)


def test_google_and_scenic_resize_linearly_with_aligned_ends():
  for name in ('vit_npz', 'vivit', 'vivit_hf'):
    assert family.load(name).positions == 'linear'
