"""RandAugment: each operation against Pillow's, and what is drawn."""

import functools

import jax
import numpy as np
import pytest
from augment_batches import SIDE, make_batch, noise, seeds
from PIL import Image, ImageEnhance, ImageOps

from vidpetl.data import affine, augment, pointwise, rand_augment

HEIGHT, WIDTH = 38, 45
SIZE = np.array([HEIGHT, WIDTH], np.int32)
INTERPOLATIONS = {
  'bilinear': Image.Resampling.BILINEAR,
  'bicubic': Image.Resampling.BICUBIC,
}
PLAIN = {'scale_jitter': None, 'box_jitter': 0.0, 'flip': False}
RAND = augment.Augment(rand_augment=(4, 7, 0.5), **PLAIN)


@functools.cache
def pictures():
  """Returns smooth pictures of different contrasts, uint8 [4, h, w, 3]."""
  rng = np.random.default_rng(0)
  found = []
  for low, high in ((0, 255), (17, 200), (60, 90), (3, 254)):
    coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
    fine = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.BICUBIC)
    found.append(low + np.asarray(fine) * ((high - low) / 255))
  return np.stack(found).astype(np.uint8)


def in_square(content):
  """Returns content at the top left of noise, which must not matter."""
  rng = np.random.default_rng(1)
  square = rng.integers(0, 256, (len(content), SIDE, SIDE, 3), np.uint8)
  square[:, :HEIGHT, :WIDTH] = content
  return square


_apply = jax.jit(rand_augment.apply, static_argnames=('fill', 'interpolation'))


def ours(name, argument, **options):
  changed = _apply(
    in_square(pictures()),
    SIZE,
    rand_augment.OPS.index(name),
    True,
    np.float32(argument),
    **options,
  )
  return np.array(changed)[:, :HEIGHT, :WIDTH].astype(int)


def pillows(image, name, x, **options):
  """Returns an image after an operation by Pillow alone."""

  def transform(*matrix):
    return image.transform(image.size, Image.AFFINE, matrix, **options)

  def lighter():
    table = [min(255, i + int(x)) if i < 128 else i for i in range(256)]
    return image.point(3 * table)

  enhance = lambda kind: kind(image).enhance(x)
  return {
    'AutoContrast': lambda: ImageOps.autocontrast(image),
    'Equalize': lambda: ImageOps.equalize(image),
    'Invert': lambda: ImageOps.invert(image),
    'PosterizeIncreasing': lambda: ImageOps.posterize(image, int(x)),
    'SolarizeIncreasing': lambda: ImageOps.solarize(image, int(x)),
    'SolarizeAdd': lighter,
    'ContrastIncreasing': lambda: enhance(ImageEnhance.Contrast),
    'BrightnessIncreasing': lambda: enhance(ImageEnhance.Brightness),
    'ColorIncreasing': lambda: enhance(ImageEnhance.Color),
    'SharpnessIncreasing': lambda: enhance(ImageEnhance.Sharpness),
    'Rotate': lambda: image.rotate(x, **options),
    'ShearX': lambda: transform(1, x, 0, 0, 1, 0),
    'ShearY': lambda: transform(1, 0, 0, x, 1, 0),
    'TranslateXRel': lambda: transform(1, 0, x * image.width, 0, 1, 0),
    'TranslateYRel': lambda: transform(1, 0, 0, 0, 1, x * image.height),
  }[name]()


def theirs(name, argument, **options):
  changed = [
    pillows(Image.fromarray(frame), name, argument, **options)
    for frame in pictures()
  ]
  return np.stack(changed).astype(int)


def arguments(name):
  """Yields arguments of an operation over its range, to both sides."""
  for magnitude in (0, 2.6, 5.01, 7, 9.3):
    for sign in (-1, 1):
      found = rand_augment.arguments(np.float32(magnitude), np.float32(sign))
      yield float(found[rand_augment.OPS.index(name)])


@pytest.mark.parametrize('name', [*pointwise.TABLES, *pointwise.BLENDS])
def test_colours_are_pillows_to_the_pixel(name):
  for argument in dict.fromkeys(arguments(name)):
    np.testing.assert_array_equal(ours(name, argument), theirs(name, argument))


@pytest.mark.parametrize('interpolation', affine.INTERPOLATIONS)
@pytest.mark.parametrize('name', affine.CHANGES)
def test_places_are_pillows(name, interpolation):
  for argument in dict.fromkeys(arguments(name)):
    found = ours(name, argument, fill=100, interpolation=interpolation)
    expected = theirs(
      name,
      argument,
      resample=INTERPOLATIONS[interpolation],
      fillcolor=(100, 100, 100),
    )
    off = np.abs(found - expected)
    # float32 and float64 are cut to different levels at times.
    assert off.max() <= 1 and (off > 0).mean() < 0.01, argument
    assert argument == 0 or (found != pictures()).mean() > 0.1


def test_contrast_is_pillows_for_every_span():
  """Also where Pillow's white is 254."""
  rng = np.random.default_rng(0)
  low, high = np.sort(rng.integers(0, 256, (2, 300)), axis=0)
  levels = np.arange(256)
  frames = np.clip(levels, low[:, None], high[:, None]).reshape(-1, 16, 16)
  frames = np.repeat(frames[..., None], 3, axis=-1).astype(np.uint8)
  inside = np.ones((16, 16, 1), bool)
  table = jax.jit(pointwise.autocontrast)(frames, inside, 0.0)
  found = pointwise.look_up(frames, table)
  expected = [ImageOps.autocontrast(Image.fromarray(x)) for x in frames]
  np.testing.assert_array_equal(found, np.stack(expected))
  assert (np.stack(expected).max((1, 2, 3)) == 254).sum() > 10


def test_no_bits_are_black():
  """Pillow took 0 bits once; magnitude 10 asks for them."""
  assert not ours('PosterizeIncreasing', 0).any()


def draw(settings, p=0.5, count=3000):
  keys = jax.random.split(jax.random.key(0), count)
  one = functools.partial(rand_augment.draw, settings=settings, p=p)
  return (np.array(x) for x in jax.jit(jax.vmap(one))(keys))


def test_operations_are_drawn_alike():
  op, applied, _ = draw((4, 7, 0.5))
  assert op.shape == (3000, 4)
  shares = np.bincount(op.ravel(), minlength=15) / op.size
  # 1/15, with a standard deviation of 0.0023.
  np.testing.assert_allclose(shares, np.full(15, 1 / 15), atol=0.009)
  assert applied.mean() == pytest.approx(0.5, abs=0.015)
  assert np.abs(np.corrcoef(op.T) - np.eye(4)).max() < 0.07


def test_magnitudes_are_normal_with_random_signs_and_clipped():
  op, _, argument = draw((4, 7, 0.5))
  degrees = argument[op == rand_augment.OPS.index('Rotate')]
  assert (degrees > 0).mean() == pytest.approx(0.5, abs=0.06)
  magnitudes = np.abs(degrees) / 3
  assert magnitudes.mean() == pytest.approx(7, abs=0.06)
  assert magnitudes.std() == pytest.approx(0.5, abs=0.05)
  op, _, argument = draw((4, 9, 3.0))
  degrees = np.abs(argument[op == rand_augment.OPS.index('Rotate')])
  assert degrees.max() == 30
  assert (degrees == 30).mean() == pytest.approx(0.37, abs=0.06)
  op, _, argument = draw((1, 5, 0.0))
  degrees = argument[op == rand_augment.OPS.index('Rotate')]
  assert {*degrees} == {-15, 15}


def test_frames_of_a_clip_change_alike_and_clips_by_their_seeds():
  content = np.repeat(noise(HEIGHT, WIDTH, 1), 3, axis=0)
  batch = make_batch([content] * 40)
  video = np.array(augment.preprocess(batch, RAND, train=True)['video'])
  assert (video == video[:, :1]).all()
  plain = augment.preprocess(batch, RAND, train=False)['video']
  # The two programs round differently.
  same = np.isclose(video, plain, atol=1e-5).all((1, 2, 3, 4))
  # Nothing is applied to 1 in 16, and some of what is changes nothing.
  assert 1 <= same.sum() <= 10
  later = {k: v[20:] for k, v in batch.items()}
  again = augment.preprocess(later, RAND, train=True)['video']
  np.testing.assert_array_equal(video[20:], again)


def test_nothing_is_compiled_again():
  batch = make_batch([noise(48, 40), noise(30, 48)])
  augment.preprocess(batch, RAND, train=True)
  before = augment.preprocess._cache_size()
  for step in range(3):
    other = make_batch([noise(48, 40 - step, seed=step), noise(31, 48)])
    other['seed'] = seeds(2) + np.uint32(step)
    augment.preprocess(other, RAND, train=True)
  assert augment.preprocess._cache_size() == before


def test_boxes_are_refused():
  batch = make_batch([noise(48, 48)], [[[0, 0, 1, 1]]])
  with pytest.raises(ValueError, match=r'rand_augment.*clips with boxes'):
    augment.preprocess(batch, RAND, train=True)


@pytest.mark.parametrize(
  'fields',
  [
    {'rand_augment': (4, 7)},
    {'rand_augment': (0, 7, 0.5)},
    {'rand_augment': (2, 11, 0.5)},
    {'rand_augment': (2, 7, -1)},
    {'rand_augment_p': 2},
    {'rand_augment_fill': 300},
    {'rand_augment_interpolation': 'nearest'},
  ],
)
def test_mistakes_are_named(fields):
  with pytest.raises(ValueError, match=next(iter(fields))):
    augment.Augment(**fields)


@pytest.mark.torch
def test_arguments_and_operations_are_timms(monkeypatch):
  pytest.importorskip('torch')
  import torchvision_build  # noqa: PLC0415

  torchvision_build.load()
  from timm.data import auto_augment  # noqa: PLC0415

  assert {*rand_augment.OPS} == {*auto_augment._RAND_INCREASING_TRANSFORMS}
  for number, name in enumerate(rand_augment.OPS):
    for magnitude, sign in ((0, -1), (3, 1), (7, -1), (7, 1), (9.99, 1)):
      monkeypatch.setattr(
        auto_augment.random, 'random', lambda sign=sign: 0.5 - sign / 4
      )
      # A chance of 1 asks for no draw.
      op = auto_augment.AugmentOp(
        name,
        prob=1.0,
        magnitude=magnitude,
        hparams={'interpolation': Image.BICUBIC, 'img_mean': (128,) * 3},
      )
      expected = [np.asarray(op(Image.fromarray(x))) for x in pictures()]
      argument = rand_augment.arguments(np.float32(magnitude), np.float32(sign))
      found = ours(name, argument[number])
      off = np.abs(found - np.stack(expected).astype(int))
      assert off.max() <= 1 and (off > 0).mean() < 0.01, (name, magnitude)
