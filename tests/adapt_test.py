"""configs/adapt.py: any backbone, method, task and data from one command."""

import json
import re

import experiments
import openpyxl
import pytest

from launch import combinations
from vidpetl import describe, mistakes
from vidpetl.data import sources
from vidpetl.experiment import complete, configure
from vidpetl.recipes import methods, named, presets
from vidpetl.training import loop


def load(argument):
  return named.load(f'adapt:{argument}')


def train(argument, tmp_path, **fields):
  fields = {
    'steps': 2,
    'log_every': 1,
    'batch_size': 4,
    'eval_batch_size': 4,
    'input.workers': 2,
    'optimizer.warmup_epochs': 0.0,
    **fields,
  }
  config = configure.configure(load(f'{argument},small'), fields)
  return loop.run(config, str(tmp_path / 'run'))


def test_lora_on_videomae_adapts_to_a_folder(world, tmp_path):
  """The first sentence of the README."""
  folder = world['hmdb51'] / 'videos'
  results = train(f'data={folder},method=lora,rank=2', tmp_path)
  assert 'top1' in results['tasks']['videos']['metrics']
  assert results['parameters']['trained'] < results['parameters']['total'] / 10
  packed = json.loads(
    (tmp_path / 'run' / 'adapter' / 'adapter_config.json').read_text()
  )
  assert {e['technique'] for e in packed['petl']} == {'lora'}


def test_a_few_shots_of_the_training_data(tmp_path):
  for c in 'ab':
    (tmp_path / 'mine' / c).mkdir(parents=True)
    for i in range(20):
      (tmp_path / 'mine' / c / f'{i}.mp4').touch()
  config = load(f'data={tmp_path / "mine"},shots=3,seed=1')
  (task,) = config.tasks.values()
  assert len(sources.open_source(task.train)) == 6
  everything = load(f'data={tmp_path / "mine"}').tasks.mine.eval
  assert task.eval == everything


def test_a_table_of_several_labels_may_have_clips_of_none(tmp_path):
  for name in 'abc':
    (tmp_path / f'{name}.mp4').touch()
  table = tmp_path / 'clips.csv'
  for second, flip in (('read', True), ('turn_left', False)):
    table.write_text(
      'path,label,split\n'
      f'a.mp4,sit|{second},train\nb.mp4,,train\nc.mp4,sit,val\n'
    )
    (task,) = load(f'data={table},task=multilabel').tasks.values()
    assert task.train.kind == 'multilabel' and task.augment.flip == flip


def test_a_dataset_with_several_labels_is_known_to_have_them():
  config = load('data=charades,raw=raw,views=3')
  task = config.tasks.charades
  assert task.task == 'multilabel' and config.checkpoint.best == 'charades/mAP'
  assert task.train.to_dict() == {
    'source': 'raw', 'dataset': 'charades', 'raw': 'raw/charades',
    'split': 'train',
  }  # fmt: skip
  assert (task.clip.fps, task.augment.flip) == (24, True)
  assert task.eval_clip.views == (3, 1)


@pytest.mark.slow
def test_sampling_head_and_report_are_arguments(world):
  folder = f'data={world["hmdb51"] / "videos"}'
  config = load(
    f'{folder},sampling=segments,head_norm=batch,head_dropout=0.5,'
    'report=validated'
  )
  (task,) = config.tasks.values()
  assert (task.clip.sampling, task.norm, task.dropout) == (
    *('segments', 'batch', 0.5),
  )
  assert (config.report, config.validation) == ('best', 0.1)
  (task,) = complete.complete(load(folder)).tasks.values()
  assert (task.clip.short, task.norm) == ('hold', 'none')
  (task,) = load(f'{folder},stride=6,short=loop').tasks.values()
  assert (task.clip.stride, task.clip.short) == (6.0, 'loop')


@pytest.mark.parametrize(
  'argument, match',
  [
    ('task=pretext,head_norm=batch', 'head_norm would do nothing'),
    ('task=pretext,sampling=dense,short=loop', 'sampling and short would do'),
    ('sampling=segments,stride=4', 'stride=4.0: of sampling=dense'),
  ],
)
def test_arguments_that_do_nothing_are_refused(argument, match, world):
  with pytest.raises(ValueError, match=match):
    load(f'data={world["hmdb51"] / "videos"},{argument}')


def test_clips_are_resized_as_the_backbones_images_were(world):
  for backbone, interpolation in (
    ('clip_b16', 'bicubic'), ('mae_b', 'bicubic'), ('videomae_b', 'bilinear')
  ):  # fmt: skip
    config = load(f'data={world["hmdb51"] / "videos"},backbone={backbone}')
    (task,) = complete.complete(config).tasks.values()
    assert task.clip.interpolation == interpolation


def test_a_spreadsheet_is_a_table(world, tmp_path):
  videos = sorted((world['hmdb51'] / 'videos').glob('*/*'))
  book = openpyxl.Workbook()
  book.active.append(['path', 'label', 'split'])
  for i, path in enumerate(videos):
    row = [str(path), path.parent.name, 'val' if i % 3 == 0 else 'train']
    book.active.append(row)
  book.save(tmp_path / 'clips.xlsx')
  results = train(f'data={tmp_path / "clips.xlsx"},method=head', tmp_path)
  assert 'top1' in results['tasks']['clips']['metrics']


@pytest.mark.slow
def test_people_with_boxes_train(world, tmp_path):
  notes = world['ava'] / 'annotations'
  results = train(
    f'data={notes}/ava_train_v2.2.csv,val={notes}/ava_val_v2.2.csv,'
    f'videos={world["ava"]},video_start=900,backbone=vivit_b,'
    f'labelmap={notes}/ava_action_list_v2.2_for_activitynet_2019.pbtxt',
    tmp_path,
  )
  (found,) = results['tasks'].values()
  assert 0 <= found['metrics']['mAP'] <= 1


def test_datasets_are_cofinetuned(world, tmp_path):
  root = world['ava'].parent
  results = train(
    f'data=ava,with=hmdb51_1,raw={root},backbone=vivit_b,method=full', tmp_path
  )
  assert set(results['tasks']) == {'ava', 'hmdb51'}


def test_the_range_of_scores_comes_from_the_data(world):
  root = world['ava'].parent
  config = load(f'data=mtl_aqa,raw={root},backbone=i3d,method=adapter3d')
  assert config.tasks.mtl_aqa.low < config.tasks.mtl_aqa.high
  given = load(f'data=mtl_aqa,raw={root},backbone=i3d,low=1,high=9,method=full')
  assert (given.tasks.mtl_aqa.low, given.tasks.mtl_aqa.high) == (1.0, 9.0)
  with pytest.raises(ValueError, match='give low= and high='):
    load('data=mtl_aqa,raw=/nowhere,backbone=i3d,method=full')


def test_a_run_that_is_gone_on_from_gives_its_clip(world, tmp_path):
  """By a checkpoint, too; what is said is taken, and a file says nothing."""
  folder = world['hmdb51'] / 'videos'
  clip = {'frames': 12, 'stride': 3.0, 'fps': 10.0, 'resolution': 80}
  of = lambda **fields: (
    named.load(
      f'adapt:data={folder},' + ','.join(f'{k}={v}' for k, v in fields.items())
    ).tasks.videos.clip
  )
  told = lambda clip: [clip.get(k) for k in ('frames', 'stride', 'fps')]
  task = {'task': 'classification', 'clip': {**clip, 'sampling': 'stride'}}
  config = json.dumps({'tasks': {'before': task}})
  (tmp_path / 'config.json').write_text(config)
  for weights in (tmp_path, tmp_path / 'checkpoints' / '7'):
    found = of(weights=weights)
    assert told(found) == [12, 3.0, 10.0]
    assert (found.resolution, found.short_side) == (80, 91)
  found = of(weights=tmp_path, frames=4, stride=2)
  assert told(found) == [4, 2.0, 10.0]
  assert told(of(weights=tmp_path / 'x.pth')) == told(of())
  # A performance has as many frames as its segments together.
  task = {'task': 'quality.usdl', 'length': 12, 'clip': {**clip, 'frames': 48}}
  config = json.dumps({'tasks': {'before': task}})
  (tmp_path / 'config.json').write_text(config)
  assert told(of(weights=tmp_path)) == [12, *told(of())[1:]]


def test_a_method_sits_where_the_backbone_has_a_place():
  sites = {
    backbone: load(f'data=hmdb51_1,backbone={backbone},method=adapter3d').petl[
      0
    ]['site']
    for backbone in ('i3d', 'r3d_18', 'videomae_b')
  }
  assert sites == {
    'i3d': 'block_out',
    'r3d_18': 'conv',
    'videomae_b': 'mlp_residual',
  }


@pytest.mark.parametrize(
  'argument, match',
  [
    ('', 'data= names nothing: give a folder of class folders'),
    ('data=clips', 'data=clips is no folder, no table .*; there are: ava, '),
    ('data=hmdb51', 'data=hmdb51 has splits of its own: hmdb51_1, '),
    ('data=jigsaws', 'data=jigsaws needs task, fold'),
    ('data=hmdb51_1,backbone=bert', 'backbone=bert is none of .*videomae_b'),
    ('data=hmdb51_1,method=magic', "method 'magic' is none of full, "),
    ('data=hmdb51_1,method=lora,tokens=3', "Unknown config argument 'tokens'"),
    ('data=hmdb51_1,with=hmdb51_2', "there is a task 'hmdb51' already"),
  ],
)
def test_a_mistake_is_named(argument, match):
  with pytest.raises(ValueError, match=match):
    load(argument)


def test_tables_that_tell_nothing_are_refused(tmp_path):
  table = tmp_path / 'a.csv'
  table.write_text('film,mark\nx.mp4,1\n')
  with pytest.raises(ValueError, match='its first row is film,mark; expected'):
    load(f'data={table}')


def _clips(folder, *names):
  for name in names:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
  return folder


def test_classes_that_tell_left_from_right_are_not_mirrored(tmp_path):
  names = [f'{s}/turn_{c}/1.mp4' for s in ('train', 'val') for c in ('l', 'r')]
  folder = _clips(tmp_path / 'turns', *names)
  with pytest.warns(
    mistakes.Note, match=r'not mirrored, .* \(turn_l, turn_r\)'
  ):
    config = load(f'data={folder}')
  assert not config.tasks.turns.augment.flip
  assert load(f'data={folder},mirrored=true').tasks.turns.augment.flip
  folder = _clips(tmp_path / 'jumps', 'train/jump/1.mp4', 'val/jump/1.mp4')
  assert load(f'data={folder}').tasks.jumps.augment.flip
  assert not load(f'data={folder},mirrored=false').tasks.jumps.augment.flip


def test_a_table_of_clips_needs_no_column_split(tmp_path):
  names = [f'{i}.mp4' for i in range(5)]
  table = _clips(tmp_path, *names) / 'clips.csv'
  table.write_text('Path,Label\n' + ''.join(f'{n},run\n' for n in names))
  task = load(f'data={table}').tasks.clips
  assert (task.train.split, task.eval.split) == ('train', 'val')
  assert len(sources.open_source(task.eval)) == 1


def test_a_folder_may_have_a_comma_and_frames_a_rate(tmp_path):
  folder = _clips(tmp_path / 'a, b', 'run/x/1.jpg', 'run/y/1.jpg')
  (task,) = load(f'data={tmp_path}/a\\, b,fps=12').tasks.values()
  assert task.train.path == str(folder)
  assert task.train.fps == task.eval.fps == 12


def test_describe_reads_the_data_that_are_there(world):
  folder = world['moments_in_time'] / 'training'
  config = load(f'data={folder},small')
  found = describe.describe(complete.complete(config))
  recipe = found['recipe']
  assert recipe['tasks']['training']['frames'].startswith('8 frames, stride')
  assert re.search(
    r' epochs of \d+ examples: \d+ steps', recipe['run']['length']
  )


@pytest.mark.parametrize('backbone', ['i3d', 'r2plus1d_vcop', 'c3d'])
def test_a_method_without_a_place_is_refused_with_the_places(backbone):
  config = load(f'data=kinetics400,backbone={backbone},method=lora,small')
  with pytest.raises(ValueError, match=r'petl\[0\]\.site: .* Its sites: block'):
    describe.describe(complete.complete(config))


CONVOLUTIONAL = ('i3d', 'resnet3d', 'c3d', 'slowfast', 'x3d')


# Each task, and each sort of backbone; all combinations are
# launch/combinations.py.
TRAINED = (
  ('videomae_b', 'lora', 'quality.usdl'),
  ('videomae_b', 'ia3', 'pretext.vspp'),
  ('clip_b16', 'mst_adapter', 'multilabel'),
  ('clip_b16', 'aim', 'quality.core'),
  ('swin_t', 'ladder', 'localisation'),
  ('clip_b16', 'side4video', 'quality.tsa'),
  ('vivit_b', 'losa', 'pretext.rspnet'),
  ('r3d_18', 'layer_norm', 'localisation'),
  ('c3d', 'head', 'pretext.pace'),
)
# With them, each method once and each task with each sort of backbone.
BEGUN = (
  ('mae_b', 'vpt', 'localisation'),
  ('augreg_b', 'ssf', 'pretext.pace'),
  ('swin_t', 'bapat', 'quality.tsa'),
  ('swin_t', 'prefix', 'pretext.rspnet'),
  ('vivit_b', 'houlsby', 'pretext.vspp'),
  ('vivit_b_joint', 'st_adapter', 'localisation'),
  ('i3d', 'adapter3d', 'quality.core'),
  ('r3d_18', 'ladder', 'quality.core'),
)


def _combinations(rows):
  return [combinations.Combination(*row) for row in rows]


@pytest.mark.table(4)
@pytest.mark.slow
@pytest.mark.parametrize('one', _combinations(TRAINED), ids=str)
def test_combinations_train(one, films):
  outcome = combinations.attempt(one, films)
  assert outcome == {'outcome': 'trained', 'reason': ''}


@pytest.mark.table(4)
@pytest.mark.slow
@pytest.mark.parametrize('one', _combinations(BEGUN), ids=str)
def test_combinations_begin(one, films):
  experiments.begin(combinations.config_of(one, films))


@pytest.mark.table(9)
@pytest.mark.slow
@pytest.mark.parametrize('backbone', combinations.kinds())
def test_every_method_is_built_or_refused_with_a_reason(backbone, films):
  """Nothing is computed; launch/combinations.py trains all of them."""
  works = []
  for method in methods.METHODS:
    one = combinations.Combination(backbone, method, 'classification')
    found = combinations.attempt(one, films, combinations.build)
    if found['outcome'] == 'built':
      works.append(method)
      continue
    assert found['outcome'] == 'refused', method
    reason = (
      'has no site|needs a (class token|grid|backbone whose)|works at|'
      'no place|needs rows'
    )
    assert re.search(reason, found['reason']), method
  assert {'full', 'head', 'adapter3d'} <= set(works)
  convolutional = presets.find(backbone).fields['name'] in CONVOLUTIONAL
  assert ('lora' in works) != convolutional
