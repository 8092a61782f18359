import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from absl import flags

from vidpetl import lock, prepare, world
from vidpetl.data import sources
from vidpetl.data.records import recipe


def _recipe(raw, **changes):
  source = {'source': 'raw', 'dataset': 'kinetics400', 'raw': str(raw)}
  return recipe.make(source, **{'short_side': 32} | changes)


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
  out = tmp_path_factory.mktemp('world')
  folders = world.write(
    out, size='tiny', datasets=('kinetics400',), processes=1
  )
  return str(folders['kinetics400'])


def _command(raw, out, *options):
  return [
    *(sys.executable, '-m', 'vidpetl.prepare', '--dataset=kinetics400'),
    *(f'--raw={raw}', f'--out={out}', '--processes=1', '--short_side=32'),
    *options,
  ]


def _staged(out):
  """Returns finished staged files with the times they were written at."""
  return {
    path: path.stat().st_mtime_ns for path in out.glob('*/staging/*/*.video')
  }


def _children(pid):
  with open(f'/proc/{pid}/task/{pid}/children') as file:
    return [int(child) for child in file.read().split()]


def _wait_for(condition, seconds=60):
  deadline = time.time() + seconds
  while not (result := condition()):
    assert time.time() < deadline, 'waited in vain'
    time.sleep(0.01)
  return result


def test_a_killed_run_goes_on_where_it_was(raw, tmp_path, monkeypatch):
  process = subprocess.Popen(
    _command(raw, tmp_path),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  _wait_for(lambda: len(_staged(tmp_path)) >= 3)
  workers = _children(process.pid)
  process.send_signal(signal.SIGKILL)
  process.wait()
  for worker in workers:
    _wait_for(lambda: not os.path.exists(f'/proc/{worker}'))  # noqa: B023
  before = _staged(tmp_path)
  assert len(before) < 10 and not (tmp_path / 'kinetics400/1.0.0').exists()

  packing = []
  pack = prepare._pack

  def spy(*arguments):
    packing.append(_staged(tmp_path))
    return pack(*arguments)

  monkeypatch.setattr(prepare, '_pack', spy)
  report = prepare.prepare(_recipe(raw), str(tmp_path), processes=1)
  assert len(packing[0]) == 10 and before.items() <= packing[0].items()
  counts = {name: split['records'] for name, split in report['splits'].items()}
  assert counts == {'train': 6, 'val': 4}
  assert not (tmp_path / 'kinetics400/staging').exists()


@pytest.fixture(scope='module')
def prepared(raw, tmp_path_factory):
  """A dataset with two bad videos; (raw, out, report)."""
  root = tmp_path_factory.mktemp('prepared')
  damaged = root / 'raw'
  shutil.copytree(raw, damaged)
  first, second, *_ = sorted((damaged / 'train').glob('*.mp4'))
  first.unlink()
  second.write_bytes(b'')
  out = str(root / 'out')
  report = prepare.prepare(_recipe(damaged), out, processes=1)
  return raw, out, report, (first.stem, second.stem)


def test_bad_videos_are_reported_and_shift_no_label(prepared):
  raw, out, report, bad = prepared
  left_out = report['splits']['train']['left_out']
  assert {one['id'] for one in left_out} == set(bad)
  assert all(one['reason'] for one in left_out)
  assert report['splits']['val']['left_out'] == []
  with open(os.path.join(out, 'kinetics400', 'report.json')) as file:
    assert json.load(file) == report

  common = {'dataset': 'kinetics400', 'split': 'train'}
  whole = sources.open_source({'source': 'raw', 'raw': raw, **common})
  source = sources.open_source({'source': 'records', 'path': out, **common})
  labels = {whole[i].id: whole[i].label for i in range(len(whole))}
  for name in bad:
    del labels[name]
  assert {source[i].id: source[i].label for i in range(len(source))} == labels


def test_what_is_done_is_not_done_again(prepared, capsys):
  _, out, report, _ = prepared
  again = prepare.prepare(_recipe('/gone'), out)  # looks at no raw file
  assert again == report
  assert (
    'kinetics400: already prepared. train 4 records' in capsys.readouterr().out
  )


@pytest.mark.parametrize(
  'change, message',
  [
    ({'short_side': None}, 'short_side=32, not None'),
    ({'splits': ('train',)}, r"splits=\['train', 'val'\], not \['train'\]"),
  ],
)
def test_other_options_are_refused_once_it_is_done(prepared, change, message):
  other = _recipe('/gone', **change)
  with pytest.raises(ValueError, match=message):
    prepare.prepare(other, prepared[1])


def test_two_at_once_are_refused(raw, tmp_path):
  out = str(tmp_path)
  staged = str(tmp_path / 'staged')
  for folder in (tmp_path / 'kinetics400', staged):
    with (
      lock.hold(folder),
      pytest.raises(BlockingIOError, match=f'{folder} is in use'),
    ):
      prepare.prepare(_recipe(raw), out, staged=staged)
    assert not any(path.is_file() for path in tmp_path.rglob('*'))


def test_remote_records_need_a_local_staging_folder(raw):
  with pytest.raises(ValueError, match='local folder'):
    prepare.prepare(_recipe(raw), 'gs://bucket/records')


def _recipe_of(*arguments):
  values = flags.FlagValues()
  prepare.define_flags(values)
  _, *more = values(['prepare', '--out=o', *arguments], known_only=True)
  return prepare.recipe_of(values, more)


_AVA = ('--dataset=ava', '--raw=r')
_KINETICS = ('--dataset=kinetics400', '--raw=r')


def test_the_command_line_describes_a_recipe():
  source = {'source': 'raw', 'dataset': 'ava', 'raw': 'r'}
  assert _recipe_of(*_AVA) == recipe.make(source)
  assert _recipe_of(*_AVA).window == 2.4
  assert _recipe_of(*_AVA).options.short_side is None
  assert _recipe_of(*_KINETICS).options.short_side == 256
  made = _recipe_of(
    *(*_AVA, '--short_side=320', '--gop=12', '--window=1.5'),
    *('--video_start=0', '--detections=none', '--splits=val'),
  )
  assert made == recipe.make(
    source | {'video_start': 0.0, 'detections': 'none'},
    splits=('val',),
    window=1.5,
    short_side=320,
    gop=12,
  )


@pytest.mark.parametrize(
  'config, side',
  [
    ('cofinetune_ava', 256),
    ('cofinetune_ava:resolution=512', 512),
    ('mst_adapter:dataset=kinetics400', 256),
  ],
)
def test_videos_are_as_large_as_a_config_needs_them(config, side):
  asked = f'--config={config}'
  assert _recipe_of(*_KINETICS, asked).options.short_side == side
  said = _recipe_of(*_KINETICS, asked, '--short_side=300')
  assert said.options.short_side == 300
  if 'ava' in config:
    assert _recipe_of(*_AVA, asked).options.short_side is None


def test_records_are_called_by_what_makes_them_others():
  jigsaws = _recipe_of(
    '--dataset=jigsaws', '--raw=r', '--task=suturing', '--fold=2'
  )
  assert jigsaws.name == 'jigsaws_suturing_2'
  assert dict(jigsaws.source)['fold'] == 2
  pd4t = _recipe_of('--dataset=pd4t', '--raw=r', '--task=gait')
  assert pd4t.name == 'pd4t_gait'
  assert _recipe_of('--dataset=hmdb51_2', '--raw=r').name == 'hmdb51_2'
  assert _recipe_of(*_KINETICS, '--name=small').name == 'small'


def test_settings_of_a_dataset_are_those_of_earlier_records():
  settings = _recipe_of(*_AVA, '--detections=none').settings()
  assert settings == {
    'dataset': 'ava',
    'options': {
      'short_side': None,
      'gop': 30,
      'crf': 20,
      'preset': 'veryfast',
      'copy': False,
    },
    'window': 2.4,
    'splits': ['train', 'val'],
    'source': {'detections': 'none'},
  }


@pytest.mark.parametrize(
  'arguments, message',
  [
    (
      [*_KINETICS, '--config=cofinetune_ava:finetune'],
      "dataset 'kinetics400' is none of 'ava'",
    ),
    ([*_KINETICS, '--window=1'], 'window=1.0, but kinetics400 is classificat'),
    ([*_KINETICS, '--task=x'], 'kinetics400 has no field task; its fields'),
    ([*_KINETICS, '--short_side=small'], "short_side='small' is neither"),
    ([*_KINETICS, '--splits=train,train'], 'each once'),
    ([*_KINETICS, '--splits=all'], "'all' for itself"),
    ([*_KINETICS, '--split=val'], 'give `splits`, not `split`'),
    ([*_KINETICS, '--name=Mine'], "name='Mine' of the records: small letters"),
    ([*_AVA, '--video_start=soon'], "video_start='soon' is no float"),
    ([*_AVA, '--copy'], 'keyframes are cut out'),
    (['--dataset=jigsaws', '--raw=r'], 'needs task, fold; its fields are'),
    (['--dataset=cifar100', '--raw=r'], 'cifar100 is prepared by TFDS itself'),
    (['--dataset=kinetics400'], 'needs --raw'),
    (['--source=records'], "source='records'; there are: ava_csv, folder, man"),
    (['--source=folder', '--path=p'], 'needs a name of its records'),
    (['--source=folder', '--name=n'], "source 'folder' needs path"),
    (['--source=folder', '--name=n', 'p'], "'p' is no --name=value"),
    ([], 'give either --dataset, one of ava, '),
  ],
)
def test_options_that_make_no_sense_are_named(arguments, message):
  with pytest.raises(ValueError, match=message):
    _recipe_of(*arguments)


def test_ones_own_folder_by_the_command_line(tmp_path):
  root = world.write(tmp_path, size='tiny', datasets=('ucf101',), processes=1)[
    'ucf101'
  ]
  command = [
    *(sys.executable, '-m', 'vidpetl.prepare', '--source=folder'),
    *(f'--path={root}/UCF-101', '--val_fraction=0.5', '--name=my_clips'),
    *(f'--out={tmp_path}/out', '--processes=1', '--short_side=32'),
  ]
  subprocess.run(command, check=True, capture_output=True)
  with open(tmp_path / 'out/my_clips/report.json') as file:
    counts = [split['records'] for split in json.load(file)['splits'].values()]
  common = {'path': tmp_path / 'out', 'dataset': 'my_clips', 'split': 'val'}
  source = sources.open_source({'source': 'records', **common})
  assert source.info.num_classes == 8 and sum(counts) == 16
  for i in range(len(source)):
    folder = source[i].id.split('/')[0]
    assert source.info.classes[source[i].label] == folder
  command[4] = f'--path={root}/elsewhere'
  other = subprocess.run(command, capture_output=True, text=True)
  assert other.returncode == 2
  assert 'was prepared otherwise: path=' in other.stderr


def test_a_mistake_in_an_option_leaves_nothing_behind(tmp_path):
  (tmp_path / 'raw').mkdir()
  source = {'source': 'raw', 'dataset': 'pd4t', 'raw': str(tmp_path / 'raw')}
  with pytest.raises(ValueError, match="task 'x' is none of 'gait'"):
    prepare.prepare(recipe.make({**source, 'task': 'x'}), str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()
