"""Rows of tables against what their commands are."""

import collections
import functools
import importlib
import math
import re

import pytest

from vidpetl.experiment import complete, experiment
from vidpetl.parameters import trainable
from vidpetl.recipes import named, rows

CONFIGS = [name for name in named.names() if name != 'adapt']


@functools.cache
def module(name):
  return importlib.import_module(f'configs.{name}')


# Samplers that take even steps.
EVEN = ('stride', 'around')

ROWS = [(name, row) for name in CONFIGS for row in module(name).ROWS]
COUNTED = [(name, row) for name, row in ROWS if row.printed]


def ids(value):
  return value.argument or 'none' if isinstance(value, rows.Row) else value


@pytest.mark.parametrize('name', CONFIGS)
def test_a_paper_lists_its_rows_once(name):
  listed = [(row.table, row.argument) for row in module(name).ROWS]
  assert listed and len(set(listed)) == len(listed)
  for row in module(name).ROWS:
    assert row.argument in module(name).__doc__
    assert all(str(v) in module(name).__doc__ for v in row.reported.values())


@pytest.mark.parametrize('name, row', ROWS, ids=ids)
def test_a_row_trains_and_tests_as_it_says(name, row):
  config = complete.complete(module(name).get_config(row.argument))
  task = next(iter(config.tasks.values()))
  heads, *_ = [g for rule, g in config.trainable if rule in ('^heads_', '.*')]
  assert (
    config.epochs,
    config.batch_size,
    config.optimizer.learning_rate,
    task.clip.frames,
    task.clip.stride if task.clip.sampling in EVEN else 0,
    tuple(task.eval_clip.views),
    heads != trainable.FROZEN,
  ) == (
    row.epochs,
    row.batch,
    pytest.approx(row.rate),
    row.frames,
    row.stride,
    row.views,
    row.head,
  )
  mirrored = 'mirrored' in row.augmentation
  assert task.augment.flip == mirrored or 'mirrored but for' in row.augmentation


_STAGE = re.compile(r'/(?:stage_(\d+)/|encoder)block_(\d+)/')


def trained_of(config):
  """Returns how many parameters train; equal blocks are counted once.

  Every stage is built with two blocks, of which the second stands for the
  others, where no technique is bound to some blocks alone.
  """
  depths = config.backbone.get('depths') or [config.backbone.get('depth', 0)]
  if min(depths) < 2 or any(each['where'] for each in config.petl):
    return _total(_counted(config))
  config = config.copy_and_resolve_references().unlock()
  if 'depths' in config.backbone:
    config.backbone.depths = (2,) * len(depths)
  else:
    config.backbone.depth = 2
  stages = _counted(config)
  more = 0
  for stage in stages.keys() - {''}:
    blocks = stages[stage]
    assert blocks['0'] == blocks['1']
    more += blocks['1'] * (depths[int(stage)] - 2)
  return _total(stages) + more


def _counted(config):
  """Returns stage -> block -> its parameters that train; '' is the rest."""
  infos = experiment.infos_from_config(config)
  built = experiment.build(config, infos)
  found = collections.defaultdict(collections.Counter)
  for path, leaf in trainable.flatten(built.variables['params']).items():
    if built.group_of[path] != trainable.FROZEN:
      at = _STAGE.search(path)
      stage, block = (at[1] or '0', at[2]) if at else ('', '')
      found[stage][block] += math.prod(leaf.shape)
  return found


def _total(found):
  return sum(blocks.total() for blocks in found.values())


@pytest.mark.table(44)
@pytest.mark.slow
@pytest.mark.parametrize('name, row', COUNTED, ids=ids)
def test_a_row_trains_as_many_parameters_as_are_printed(name, row):
  trained = trained_of(complete.complete(module(name).get_config(row.argument)))
  if row.trained is not None:
    assert trained == row.trained
  number, decimals = re.fullmatch(r'(\d+(?:\.(\d+))?)M', row.printed).groups()
  agrees = f'{trained / 1e6:.{len(decimals or "")}f}' == number
  assert agrees or row.note


@pytest.mark.slow
@pytest.mark.parametrize('name', ['vpetl', 'vpetl_images', 'aim'])
def test_equal_blocks_are_counted_as_the_whole_is(name):
  config = complete.complete(module(name).get_config())
  assert trained_of(config) == _total(_counted(config))


def test_a_page_has_a_table_for_each_table():
  row = {'argument': 'method=lora', 'reported': {'top-1': 1.5}}
  made = rows.make(
    {'table': 'Table 1', 'printed': '0.30M', 'trained': 301_234},
    [row, {**row, 'argument': '', 'table': 'Table 2'}],
  )
  page = rows.markdown('x', made)
  assert page.count('### Table') == 2
  assert '| `x:method=lora` | 0.30M | 301,234 | 1.5 |' in page
