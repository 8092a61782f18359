"""Configs with every field of what they build."""

import experiments
import pytest

from vidpetl.experiment import complete, configure
from vidpetl.recipes import named

FIELDS = [
  ('cofinetune_ava:demo', 'backbone.remat', 'true', True),
  ('cofinetune_ava:demo', 'tasks.ava.eval_clip.min_score', '0.5', 0.5),
  ('cofinetune_ava:demo', 'tasks.ava.train.match_iou', '0.5', 0.5),
  ('mst_adapter', 'backbone.activation', 'gelu', 'gelu'),
  ('mst_adapter', 'petl[0].name', 'mine', 'mine'),
  ('cofinetune_ava:demo', 'backbone.classifier', 'gap', 'gap'),
  ('mst_adapter', 'tasks.kinetics400.clip.sampling', 'spread', 'spread'),
  ('mst_adapter', 'petl[1].kernels', '((3,1,1),)', ((3, 1, 1),)),
  ('mst_adapter', 'tasks.kinetics400.distill.weight', '10', 10.0),
  (
    'vpetl',
    'tasks.something_something_v2.clip.ratio',
    '(0.5,2)',
    (0.5, 2),
  ),
  ('pecop_aqa', 'tasks.mtl_aqa.voters', '3', 3),
  ('pecop_aqa', 'tasks.mtl_aqa.clip.stretch', 'None', None),
  ('cofinetune_ava:demo', 'backbone.variant', 'None', None),
  ('pecop_pretrain', 'tasks.mtl_aqa.natural_output', 'true', True),
  ('pecop_pretrain:pretext=rspnet', 'tasks.mtl_aqa.queue', '512', 512),
  ('pecop_aqa', 'optimizer.groups.backbone.weight_decay', '0.1', 0.1),
  ('pecop_pretrain', 'tasks.mtl_aqa.dropout', '0.2', 0.2),
  ('cofinetune_ava', 'mixture.weights.ava', '2', 2.0),
]


def get(config, path):
  for key in path.replace('[', '.').replace(']', '').split('.'):
    config = config[int(key) if key.isdigit() else key]
  return config


@pytest.mark.parametrize('name, path, text, value', FIELDS)
def test_what_is_documented_can_be_set(name, path, text, value):
  config = configure.configure(named.load(name), {path: text})
  assert get(config, path) == value


def test_a_word_that_may_not_be_none_is_not():
  with pytest.raises(ValueError, match=r"dtype=None: it must be one of 'float"):
    configure.configure(named.load('cofinetune_ava'), {'dtype': 'None'})


@pytest.mark.parametrize('name', [n for n in named.names() if n != 'adapt'])
def test_a_completed_config_is_complete(name):
  whole = complete.complete(experiments.load_config(name))
  assert complete.complete(whole) == whole
  assert whole.is_locked
  for task in whole.tasks.values():
    assert {'views', 'resize', 'sampling'} <= set(task.eval_clip)
    assert 'color_jitter' in task.augment


@pytest.mark.parametrize('name', [n for n in named.names() if n != 'adapt'])
@pytest.mark.parametrize('argument', ['', 'demo'])
def test_the_folder_of_the_data_moves_all_sources(name, argument):
  config = named.load(f'{name}:{argument}')
  moved = configure.configure(config, {'data': '/elsewhere/data'})
  sources = [
    task[split] for task in moved.tasks.values() for split in ('train', 'eval')
  ]
  for source in filter(None, sources):
    paths = [source.get(key) for key in ('path', 'raw', 'data_dir')]
    (path,) = filter(None, paths)
    assert path.startswith('/elsewhere/data'), source
  assert config.data != '/elsewhere/data'


def test_a_source_that_is_set_itself_stays_where_it_is():
  fields = {'tasks.ava.train.path': '/mine', 'data': '/elsewhere'}
  for given in (fields, dict(reversed(fields.items()))):
    moved = configure.configure(named.load('cofinetune_ava'), given)
    assert moved.tasks.ava.train.path == '/mine'
    assert moved.tasks.ava.eval.path == '/elsewhere'


def test_a_folder_of_data_that_nothing_refers_to_is_refused():
  config = named.load('cofinetune_ava').copy_and_resolve_references()
  with pytest.raises(ValueError, match=r'config.data=.* would do nothing'):
    configure.configure(config, {'data': '/elsewhere'})


def test_evaluation_clips_follow_training_clips():
  config = named.load('cofinetune_ava')
  changed = configure.configure(config, {'tasks.ava.clip.frames': '16'})
  assert changed.tasks.ava.eval_clip.frames == 16
  both = {'tasks.ava.clip.frames': 16, 'tasks.ava.eval_clip.frames': 8}
  assert configure.configure(config, both).tasks.ava.eval_clip.frames == 8


def test_fields_that_another_field_brings_along_can_be_set_at_once():
  fields = {
    'tasks.mtl_aqa.clip.parts': '3',
    'tasks.mtl_aqa.clip.sampling': 'vspp',
    'tasks.mtl_aqa.task': 'pretext.vspp',
  }
  start = named.load('pecop_pretrain:pretext=pace')
  assert configure.configure(start, fields).tasks.mtl_aqa.clip.parts == 3


def test_a_variant_chosen_later_has_its_own_sizes():
  config = configure.configure(
    named.load('mst_adapter'), {'backbone.variant': 'L'}
  )
  assert (config.backbone.width, config.backbone.patch) == (1024, 14)


@pytest.mark.parametrize(
  'path, text, match',
  [
    ('batchsize', '1', "config has no field 'batchsize'; it has accumulate, "),
    ('backbone.acivation', 'x', 'config.backbone has no field .* activation, '),
    ('tasks.ssv2.task', 'x', "config.tasks has no field 'ssv2'; it has kinet"),
    ('petl[7].rank', '1', r'config.petl has 3 entries; there is no \[7\]'),
    (
      'petl[1].rank',
      '1',
      r"petl\[1\] has no field 'rank'; .*bottleneck",
    ),
    ('epochs.x', '1', "config.epochs is 30.0, and has no field 'x'"),
    ('epochs', 'many', "config.epochs='many' is not a float"),
    (
      'backbone.remat',
      'maybe',
      "remat='maybe': .* or false, or a whole .*dots",
    ),
    ('backbone.scan', 'dots', "scan='dots': it must be true or false"),
    ('backbone.name', 'foo', "config.backbone.name='foo'; there are: c3d, "),
    ('backbone.name', 'layers', "'layers'; there are: c3d, "),
    ('tasks.kinetics400.task', 'foo', "'foo'; there are: classification, "),
    ('tasks.kinetics400.train.source', 'x', "'x'; there are: ava_csv, "),
  ],
)
def test_a_mistake_says_what_there_is(path, text, match):
  with pytest.raises(ValueError, match=match) as error:
    configure.configure(named.load('mst_adapter'), {path: text})
  assert '\n' not in str(error.value)


def test_old_configs_of_runs_are_completed(tmp_path):
  """A config.json of before has fewer fields."""
  saved = experiments.load_config('pecop_pretrain').to_dict()
  del saved['data'], saved['init']['pixels']
  whole = complete.complete(saved)
  assert whole.init.pixels == 'weights'
