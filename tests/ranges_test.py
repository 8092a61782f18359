"""What values fields may have: those of every part that a config builds."""

import collections
import inspect
import math

import declared
import numpy as np
import pytest

from vidpetl import options, ranges
from vidpetl.experiment import complete

FIELDS = list(declared.fields())

# Fields of one word that take it, whatever it is: names, paths, patterns.
FREE = {
  *('videos', 'annotations', 'split', 'labelmap', 'detections', 'excluded'),
  *('path', 'lists', 'kind', 'root', 'raw', 'dataset', 'data_dir', 'data'),
  *('eval_checkpoint', 'compile_cache', 'decay_filter', 'best'),
  *('family', 'entry', 'adapter', 'accept'),
}
# Numbers that may be below 0: scores, levels, factors, and all devices.
SIGNED = {'scale', 'init_bias', 'low', 'high', 'pad_value', 'data', 'fsdp'}
# Numbers of blocks, -1 the last.
SIGNED |= {'first', 'last'}
# Lists that may be empty.
EMPTY = {
  *('parts', 'edges', 'hidden', 'detections', 'lists', 'classes', 'writers'),
  *('petl', 'skip', 'grid', 'window', 'milestones', 'tails', 'sizes'),
  'layers',
}
# Where 0 means none, or as soon as can be.
ZERO = {
  *('bottleneck', 'ratio', 'scale', 'dropout', 'drop_path', 'patch'),
  *('label_smoothing', 'num_classes', 'init_bias', 'sampling_ratio'),
  *('pictures', 'momentum', 'margin', 'appearance', 'motion', 'voter_seed'),
  *('truth_share', 'low', 'high', 'judges', 'keep', 'filled', 'video_start'),
  *('stochastic_depth', 'shift', 'min_score', 'seed', 'epochs', 'steps'),
  *(
    'eval_every_epochs',
    'validation',
    'val_fraction',
    'eval_checkpoint',
    'lr_scale',
  ),
  *('weight_decay', 'beta1', 'beta2', 'learning_rate', 'final'),
  *(
    'warmup_epochs',
    'clip_norm',
    'processes',
    'prefetch',
    'ready',
    'max_undecodable',
    'diverged',
  ),
  *('box_jitter', 'pad_value', 'color_jitter_p', 'grayscale'),
  *('rand_augment_p', 'rand_augment_fill', 'erasing', 'mixup', 'cutmix'),
  *('mixing_p', 'cutmix_p', 'weight'),
  # Of probes, where 0 goes by the width, or is no block.
  *('heads', 'queries', 'depth'),
  *('first', 'last', 'data_seed', 'views', 'verify'),
  # Of backbones, where 0 is none.
  *('registers', 'pools', 'units'),
}


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf, 10**40, {0}])
def test_no_field_takes(value):
  assert not [path for path, hint, _ in FIELDS if ranges.fits(value, hint)]


@pytest.mark.parametrize(
  'value, known', [(0, ZERO), (-1, SIGNED), ('x', FREE), ((), EMPTY)]
)
def test_only_those_fields_take(value, known):
  took = {
    path.rpartition('.')[2] for path, hint, _ in FIELDS
    if ranges.fits(value, hint)
  }  # fmt: skip
  assert took <= known


def test_every_field_takes_its_default():
  made = {'groups': {'all': {}}, 'weights': {}}
  for path, hint, default in FIELDS:
    if not isinstance(default, int):
      default = made.get(path.rpartition('.')[2], default)
    assert default is inspect.Parameter.empty or ranges.fits(default, hint), (
      path
    )


def _config(**fields):
  backbone = {'name': 'vit', 'kind': 'clip', 'variant': 'S'}
  source = {'source': 'folder', 'path': 'x', 'split': 'train'}
  task = {'task': 'classification', 'num_classes': 3, 'train': source}
  entry = {'site': 'attn', 'technique': 'adapter'}
  return {
    'backbone': backbone,
    'tasks': {'own': task},
    'petl': (entry,),
  } | fields


def _leaves(tree, path, found):
  items = tree.items() if isinstance(tree, dict) else enumerate(tree)
  for key, value in items:
    here = f'{path}[{key}]' if isinstance(key, int) else f'{path}.{key}'
    if (isinstance(value, dict) and value) or key == 'petl':
      _leaves(value, here, found)
    else:
      found.append((here, tree, key))


def test_every_field_of_a_config_is_refused_by_its_whole_name():
  whole = complete.complete(_config()).to_dict()
  whole['petl'] = [dict(entry) for entry in whole['petl']]
  leaves = []
  _leaves(whole, 'config', leaves)
  # One of a name will do: each takes a few milliseconds.
  seen = collections.Counter()
  for path, owner, key in leaves:
    seen[key] += 1
    if seen[key] > 1 and 'clip' in path:
      continue
    before, owner[key] = owner[key], math.nan
    with pytest.raises(ValueError) as error:
      complete.complete(whole)
    assert path in str(error.value)
    owner[key] = before


@pytest.mark.parametrize(
  'value, hint, words',
  [
    (0, ranges.Count, 'a whole number, at least 1'),
    (True, ranges.Count, 'a whole number, at least 1'),
    (2.0, ranges.Count, 'a whole number, at least 1'),
    (1.0, ranges.Rate, 'a number, at least 0 and below 1'),
    ('0.1', ranges.Share, 'a number, at least 0 and at most 1'),
    ((1, 2), ranges.Size, '(a whole number, at least 1; '),
    ((2.0, 1.0), declared.framing.Framing, ''),
    ('(', ranges.Pattern, 'a regular expression'),
    ('a/b', ranges.Name, "a name of letters, digits, '_' and '-'"),
    ({'a': -1.0}, 'weights', 'x.a=-1.0: it must be a number, above 0'),
  ],
)
def test_a_misfit_is_told_with_the_range(value, hint, words):
  hint = {
    'weights': options.hints(declared.defaults.Mixture)['weights'],
    declared.framing.Framing: options.hints(declared.framing.Framing)['area'],
  }.get(hint, hint)
  with pytest.raises(ValueError) as error:
    options.hold({'x': value}, {'x': hint}, '')
  assert words in str(error.value)


def test_numbers_of_numpy_are_numbers():
  given = _config(seed=np.int64(3), epochs=np.float32(2), tasks={
    'own': {'task': 'classification', 'num_classes': np.int32(3)},
  })  # fmt: skip
  whole = complete.complete(given)
  assert type(whole.seed) is int and type(whole.epochs) is float
  assert type(whole.tasks.own.num_classes) is int
