"""Trained parameters against the papers' tables, in units of the last digit.

Every row is what `methods.make` gives, on the full-size backbone. A row is
reproduced if its exact count rounds to the printed number; those that do not
are listed with the closest reading, and why.
"""

import functools
import math

import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import site, swin, vit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings
from vidpetl.recipes import methods, tuned

SSV2, HMDB51, K400 = 174, 51, 400
# What heads of Table 5's five datasets have on average.
FIVE = (100 + 10 + 101 + 174 + 51) / 5

BACKBONES = {
  'swin': (lambda: swin.build(variant='B'), (8, 224, 224), 1024),
  'videomae': (
    lambda: vit.build(kind='videomae', variant='B'),
    (16, 224, 224),
    768,
  ),
  'mae': (lambda: vit.build(kind='mae', variant='B'), (1, 224, 224), 768),
  'clip_b': (lambda: vit.build(kind='clip', variant='B'), (8, 224, 224), 768),
  'clip_l': (lambda: vit.build(kind='clip', variant='L'), (8, 224, 224), 1024),
}


def layers(first, last):
  numbers = '|'.join(str(i) for i in range(first - 1, last))
  return {'where': f'encoderblock_({numbers})(/|$)', 'shift': False}


# Name -> (backbone, method, options).
METHODS = {
  **{name: ('swin', name, {}) for name in methods.POSITIONS},
  'full': ('swin', 'full', {}),
  'bitfit': ('swin', 'bitfit', {}),
  'biases and tables': ('swin', 'bitfit', {'norms': False}),
  'adaptformer': ('swin', 'adaptformer', {}),
  'prefix': ('swin', 'prefix', {}),
  **{
    f'patt {d}': ('swin', 'patt', {'bottleneck': d}) for d in (32, 64, 128, 256)
  },
  **{
    f'bapat {d}': ('swin', 'bapat', {'bottleneck': d})
    for d in (32, 64, 128, 256)
  },
  **{
    f'bapat {to}': ('swin', 'bapat', {'to': to}) for to in ('qk', 'qv', 'qkv')
  },
  'bapat concat': ('swin', 'bapat', {'combine': 'concat'}),
  'bapat no z': ('swin', 'bapat', {'source': 'learned'}),
  'vit full': ('videomae', 'full', {}),
  'image vit full': ('mae', 'full', {}),
  'vit vpt': ('videomae', 'vpt', {}),
  'vit adaptformer': ('videomae', 'adaptformer', {}),
  **{
    f'vit bapat {d}': ('videomae', 'bapat', {'bottleneck': d})
    for d in (32, 64, 128, 256)
  },
  'clip full': ('clip_b', 'full', {}),
  **{
    f'mst {placement}': ('clip_b', 'mst_adapter', {'placement': placement})
    for placement in methods.PLACEMENTS
  },
  'mst average': ('clip_b', 'mst_adapter', {'fuse': 'average'}),
  'mst no 1x1x1': ('clip_b', 'mst_adapter', {'pointwise': False}),
  'mst 1-4': ('clip_b', 'mst_adapter', layers(1, 4)),
  'mst 5-8': ('clip_b', 'mst_adapter', layers(5, 8)),
  'mst 9-12': ('clip_b', 'mst_adapter', layers(9, 12)),
  'mst 1-8': ('clip_b', 'mst_adapter', layers(1, 8)),
  'mst 5-12': ('clip_b', 'mst_adapter', layers(5, 12)),
  'st_adapter': ('clip_b', 'st_adapter', {}),
  'mst depth-wise': ('clip_b', 'mst_adapter', {'dense': False}),
  **{
    name: ('clip_l' if name.endswith('l14') else 'clip_b', name, {})
    for name in tuned.TUNED
    if name.startswith(('st_adapter:', 'aim:'))
  },
  'vit ia3': ('mae', 'ia3', {}),
  'vit ssf': ('mae', 'ssf', {}),
  'vit lora': ('mae', 'lora', {'rank': 4, 'sites': site.DENSE}),
  'clip L full': ('clip_l', 'full', {}),
  'mst L': ('clip_l', 'mst_adapter', {}),
}


@functools.cache
def counts(backbone):
  """Trained parameters of the backbone by name, without heads; one trace."""
  chosen = {n: m for n, (b, *m) in METHODS.items() if b == backbone}
  entries, rules = [], {}
  for number, (name, (method, options)) in enumerate(chosen.items()):
    bound, rules[name] = methods.make(method, **options)
    entries += [
      {**entry, 'name': f'row{number}_{i}'} for i, entry in enumerate(bound)
    ]
  build, size, _ = BACKBONES[backbone]
  model = bindings.bind(build(), entries)
  video = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
  tree = jax.eval_shape(
    lambda v: model.init(jax.random.key(0), v, False), video
  )
  shapes = trainable.flatten({'backbone': tree['params'], 'heads_': {'w': 0}})
  found = {}
  for number, name in enumerate(chosen):
    own = {
      path: x
      for path, x in shapes.items()
      if '/site_' not in path or f'/row{number}_' in path
    }
    groups = trainable.groups(trainable.unflatten(own), rules[name])
    found[name] = sum(
      math.prod(x.shape)
      for path, x in own.items()
      if groups[path] != 'frozen' and path.startswith('backbone/')
    )
  return found


def count(name):
  return counts(METHODS[name][0])[name]


EXACT = {
  'layer_norm_1': 24_064,
  'layer_norm_2': 24_064,
  'attn_proj': 6_991_616,
  'attn_qkv': 20_974_848,
  'attn_softmax': 953_160,
  'fc1': 27_966_464,
  'fc2': 27_930_368,
  'downsample': 2_759_680,
  'full': 87_638_984,
  'biases and tables': 1_090_376,
  'adaptformer': 1_553_664,
  'prefix': 6_393_600,
  'patt 32': 1_179_904,
  'patt 64': 2_335_744,
  'patt 128': 4_647_424,
  'patt 256': 9_270_784,
  'bapat 32': 2_733_568,
  'bapat 64': 3_889_408,
  'bapat 128': 6_201_088,
  'bapat 256': 10_824_448,
  'bapat qk': 6_201_088,
  'bapat qv': 6_201_088,
  'bapat qkv': 7_753_216,
  'bapat concat': 6_201_088,
  'bapat no z': 8_559_360,
  'vit full': 86_227_200,
  'image vit full': 85_798_656,
  'clip full': 85_799_424,
  'clip L full': 303_179_776,
  'mst post_residual': 17_897_544,
  'mst 1-4': 5_965_848,
  'mst L': 45_244_560,
  'st_adapter': 14_220_288,
  'st_adapter:ssv2_b16': 14_220_288,
  'st_adapter:k400_b16': 7_110_144,
  # 12 blocks of l_k, l_v and l_ff.
  'vit ia3': 12 * (2 * 768 + 3072),
  # 12 blocks of two LayerNorms and q, k, v, o, fc1, fc2; the paper's 205,824
  # hold those of the patch embedding and of the last LayerNorm besides.
  'vit ssf': 12 * 2 * (4 * 768 + 2304 + 3072),
  # q and v; o; fc1 and fc2.
  'vit lora': 12 * 4 * (2 * 2 * 768 + 2 * 768 + 2 * (768 + 3072)),
}

# (table, method, classes of the head that the number includes, printed).
MILLIONS = [
  ('V-PETL 1', 'full', SSV2, '87.82'),
  ('V-PETL 1', 'full', HMDB51, '87.69'),
  ('V-PETL 1', 'layer_norm_1', 0, '0.02'),
  ('V-PETL 1', 'layer_norm_2', 0, '0.02'),
  ('V-PETL 1', 'attn_proj', 0, '6.99'),
  ('V-PETL 1', 'attn_softmax', 0, '0.95'),
  ('V-PETL 1', 'fc1', 0, '27.97'),
  ('V-PETL 1', 'fc2', 0, '27.93'),
  ('V-PETL 1', 'downsample', 0, '2.76'),
  ('V-PETL 2', 'bitfit', SSV2, '1.29'),
  ('V-PETL 2', 'bitfit', 0, '1.11'),
  ('V-PETL 2', 'adaptformer', SSV2, '1.73'),
  ('V-PETL 2', 'adaptformer', HMDB51, '1.61'),
  ('V-PETL 2', 'prefix', SSV2, '6.57'),
  ('V-PETL 2', 'patt 64', SSV2, '2.51'),
  ('V-PETL 2', 'patt 128', SSV2, '4.83'),
  ('V-PETL 2', 'patt 256', SSV2, '9.45'),
  ('V-PETL 2', 'patt 64', 0, '2.34'),
  ('V-PETL 2', 'patt 128', 0, '4.65'),
  ('V-PETL 2', 'patt 256', 0, '9.27'),
  ('V-PETL 2', 'bapat 32', SSV2, '2.91'),
  ('V-PETL 2', 'bapat 64', SSV2, '4.07'),
  ('V-PETL 2', 'bapat 128', SSV2, '6.38'),
  ('V-PETL 2', 'bapat 256', SSV2, '11.00'),
  ('V-PETL 2', 'bapat 64', 0, '3.89'),
  ('V-PETL 2', 'bapat 128', 0, '6.20'),
  ('V-PETL 4', 'bapat qk', SSV2, '6.38'),
  ('V-PETL 4', 'bapat qv', SSV2, '6.38'),
  ('V-PETL 4', 'bapat qkv', SSV2, '7.93'),
  ('V-PETL 4', 'bapat concat', SSV2, '6.38'),
  ('V-PETL 4', 'bapat no z', SSV2, '8.74'),
  ('V-PETL 4', 'bapat qk', 0, '6.20'),
  ('V-PETL 4', 'bapat qv', 0, '6.20'),
  ('V-PETL 4', 'bapat concat', 0, '6.20'),
  ('V-PETL 4', 'bapat no z', 0, '8.56'),
  ('V-PETL 5', 'vit vpt', FIVE, '0.08'),
  ('V-PETL 5', 'vit adaptformer', FIVE, '1.26'),
  # These four fit the head of HMDB51, and no average over datasets.
  ('V-PETL 5', 'vit bapat 32', HMDB51, '2.13'),
  ('V-PETL 5', 'vit bapat 64', HMDB51, '3.02'),
  ('V-PETL 5', 'vit bapat 128', HMDB51, '4.79'),
  ('V-PETL 5', 'vit bapat 256', HMDB51, '8.33'),
  ('V-PETL 6', 'bapat 32', HMDB51, '2.79'),
  ('V-PETL 6', 'bapat 64', HMDB51, '3.94'),
  ('V-PETL 6', 'bapat 128', HMDB51, '6.25'),
  ('V-PETL 6', 'bapat 256', HMDB51, '10.88'),
  ('MST 3', 'mst average', 0, '18'),
  ('MST 3', 'mst no 1x1x1', 0, '14'),
  ('MST 5', 'clip full', 0, '86'),
  *(('MST 5', f'mst {p}', 0, '18') for p in methods.PLACEMENTS),
  *(('MST 6', f'mst {n}', 0, '6') for n in ('1-4', '5-8', '9-12')),
  *(('MST 6', f'mst {n}', 0, '12') for n in ('1-8', '5-12')),
  ('MST 1', 'mst L', 0, '45'),
  ('ST-Adapter', 'st_adapter', 0, '14'),
  ('MST 1', 'st_adapter:k400_b16', 0, '7'),
  ('AIM', 'aim:k400_b16', 0, '11'),
  ('AIM', 'aim:ssv2_b16', 0, '14'),
  ('MST 1', 'aim:k400_l14', 0, '38'),
  ('MST 2', 'aim:ssv2_l14', 0, '50'),
]

_HMDB = 'printed = count with the head, rounded, less 0.05'
# The same, with what this code has instead, and the closest reading.
DIFFERS = [
  ('V-PETL 1', 'attn_qkv', 0, '20.98', 'rounded twice, by way of 20.975'),
  ('V-PETL 2', 'prefix', 0, '6.40', _HMDB),
  ('V-PETL 2', 'patt 32', SSV2, '1.35', 'cut off instead of rounded'),
  ('V-PETL 2', 'patt 32', 0, '1.17', 'cut off instead of rounded'),
  ('V-PETL 2', 'bapat 32', 0, '2.74', _HMDB),
  ('V-PETL 2', 'bapat 256', 0, '10.83', _HMDB),
  ('V-PETL 4', 'bapat qkv', 0, '7.63', "less SSv2's head instead of HMDB51's"),
]


def printed(name, classes, digits):
  width = BACKBONES[METHODS[name][0]][2]
  return f'{(count(name) + classes * (width + 1)) / 1e6:.{digits}f}'


def digits(number):
  return len(number.partition('.')[2])


@pytest.mark.table(20)
@pytest.mark.tail(12)
@pytest.mark.parametrize('name', EXACT)
def test_exact_count(name):
  assert count(name) == EXACT[name]


@pytest.mark.parametrize('table, name, classes, number', MILLIONS)
def test_count_as_printed(table, name, classes, number):
  assert printed(name, classes, digits(number)) == number


@pytest.mark.parametrize('table, name, classes, number, why', DIFFERS)
def test_counts_that_are_not_reproduced(table, name, classes, number, why):
  ours = printed(name, classes, digits(number))
  assert ours != number
  assert math.isclose(float(ours), float(number), abs_tol=0.125)


def test_full_tuning_of_table_5_is_a_mean_of_two_models():
  images, videos = count('image vit full'), count('vit full')
  mean = (3 * images + 2 * videos) / 5 + FIVE * 769
  assert f'{mean / 1e6:.2f}' == '86.04'
  assert f'{FIVE * 769 / 1e6:.2f}' == '0.07'


def test_a_depth_wise_1x1x1_convolution_would_add_next_to_nothing():
  added = count('mst depth-wise') - count('mst no 1x1x1')
  assert added == 24 * 2 * 384


def test_learned_fusion_adds_72_parameters():
  assert count('mst post_residual') - count('mst average') == 72


def test_the_pointwise_convolution_adds_4_million():
  added = count('mst post_residual') - count('mst no 1x1x1')
  assert f'{added / 1e6:.0f}' == '4'


@pytest.mark.parametrize(
  'model, tuned, number',
  [('clip full', 'mst post_residual', '104'), ('clip L full', 'mst L', '349')],
)
def test_total_with_the_kinetics_head(model, tuned, number):
  width = BACKBONES[METHODS[model][0]][2]
  total = count(model) + count(tuned) + K400 * (width + 1)
  assert f'{total / 1e6:.0f}' == number
