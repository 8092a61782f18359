"""The same run is the same config on the same data."""

import json
import re
import shutil
import types

import pytest
from etils import epath

from vidpetl import folds, lock, sweep
from vidpetl.experiment import complete
from vidpetl.studies import series
from vidpetl.training import checkpoint, holding, identity, logbook, loop


def test_every_field_makes_another_run_but_those_that_are_listed(make_config):
  fields = identity.of_config(make_config('kinetics400'))
  for name in (
    'seed',
    'dtype',
    'optimizer.clip_norm',
    'optimizer.groups.all.weight_decay',
    'tasks.kinetics400.augment.mixup',
    'tasks.kinetics400.eval_clip.views',
    'backbone.stochastic_depth',
    'init.skip',
    'checkpoint.best',
  ):
    assert name in fields, name
  new = {'tasks': {}, 'a_field_to_come': {'x': 1}}  # no config knows it
  assert identity.of_config(new)['a_field_to_come.x'] == 1


def test_each_field_that_is_listed_is_one_and_has_a_reason(make_config):
  config = make_config('kinetics400', 'ava')
  every = identity.flat(complete.as_json(config))
  for regex, why in (*identity.FREE, *identity.PLACES):
    assert any(re.fullmatch(regex, name) for name in every), regex
    assert why
  left = every.keys() - identity.of_config(config).keys()
  assert {'init.path', 'data', 'tasks.ava.train.raw', 'mesh.data'} <= left
  moved = identity.of_config(config, places=True)
  assert 'tasks.ava.train.raw' in moved and 'mesh.data' not in moved


def test_kept_features_make_another_run_wherever_they_lie(make_config):
  def fields(**cache):
    named = {f'cache.{name}': value for name, value in cache.items()}
    return identity.of_config(make_config('kinetics400', **named))

  assert fields(path='a', verify=0) == fields(path='b')
  assert fields(views=2) == fields(dtype='int8') == fields()
  for other in ({}, {'path': 'a', 'views': 2}, {'path': 'a', 'dtype': 'int8'}):
    assert fields(path='a') != fields(**other)


def test_what_has_no_value_yet_is_no_change():
  assert not identity.changes({'low': float('nan')}, {'low': float('nan')})
  rank = identity.flat({'petl': ({'technique': 'lora', 'rank': 4},)})
  told = identity.told(identity.changes(rank, identity.flat({'petl': ()})))
  assert "petl[0].technique: 'lora' then, nothing now" in told


def test_many_fields_are_accepted_by_what_they_have_in_common():
  names = [*(f'tasks.ava.clip.{i}' for i in range(9)), 'petl[0].rank', 'seed']
  changed = dict.fromkeys(names, (1, 2))
  assert identity.flag(changed).endswith('accept=tasks.ava,petl,seed')
  assert identity.accepted('tasks.ava,petl', changed, changed) == {*names[:-1]}


def test_other_data_and_settings_are_refused_or_accepted(
  make_config, world, tmp_path, capfd
):
  raw = tmp_path / 'raw'
  shutil.copytree(world['kinetics400'], raw)
  workdir = tmp_path / 'run'

  def run(steps=1, command='', **fields):
    fields |= {
      f'tasks.kinetics400.{s}.raw': str(raw) for s in ('train', 'eval')
    }
    fields = {'optimizer.name': 'sgd', **fields}
    config = make_config('kinetics400', steps=steps, **fields)
    return loop.run(config, str(workdir), command=command)

  run(command='vidpetl train x', seed=0)
  video = sorted((raw / 'train').rglob('*.mp4'))[0]
  video.write_bytes(video.read_bytes() + b'\0')
  more = {'steps': 2, 'seed': 1, 'optimizer.schedule': 'constant'}
  with pytest.raises(ValueError, match='seed: 0 then, 1 now; ') as error:
    run(command='vidpetl train y', **more)
  assert 'data.kinetics400.train.videos: ' in str(error.value)
  # What repeats the run is the command that made it, not one that was refused.
  typed = (workdir / 'command.txt').read_text()
  assert typed == 'vidpetl train x\n'
  accept = 'seed,data,optimizer.schedule,steps'
  results = run(**more, **{'checkpoint.accept': accept})
  (history,) = results['history']
  assert history['at'] == 1 and history['changed']['seed'] == [0, 1]
  assert 'At step 1 seed became 1; it was 0.' in capfd.readouterr().err
  before = json.loads((workdir / 'config.until_1.json').read_text())
  assert before['seed'] == 0
  # Another name is needed where the state has other parts.
  with pytest.raises(ValueError, match=r"optimizer\.name: 'sgd' then, 'adamw'"):
    run(**more, **{'optimizer.name': 'adamw'})
  with pytest.raises(ValueError, match=r'parts than with the accepted optim'):
    fields = {'optimizer.name': 'adamw', 'checkpoint.accept': 'optimizer'}
    run(**more, **fields)
  # Nothing was left locked.
  assert not (workdir / lock.FILE).exists()


def test_a_run_beside_another_touches_nothing(make_config, tmp_path):
  workdir = tmp_path / 'run'
  unfinished = workdir / 'checkpoints' / '4.orbax-checkpoint-tmp'
  unfinished.mkdir(parents=True)
  with lock.hold(workdir):
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
    for mode in ('train', 'eval'):
      with pytest.raises(BlockingIOError, match='is in use: host'):
        loop.run(make_config('kinetics400', mode=mode), str(workdir))
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
    assert before == after


def test_a_zombie_ends_at_its_next_save_and_line(tmp_path):
  saved = checkpoint.Checkpoints(str(tmp_path))
  book = logbook.Logbook(
    types.SimpleNamespace(total=1), epath.Path(tmp_path), 0.0
  )
  with lock.hold(tmp_path):
    (tmp_path / lock.FILE).unlink()
    for write in (
      lambda: saved.save(None, 1, {}),
      lambda: book.log(1, None, None),
    ):
      with pytest.raises(lock.LostError, match='writes nothing more'):
        write()
  saved.close()


@pytest.mark.parametrize('door', [sweep, folds])
def test_a_series_holds_its_folder(door, tmp_path, monkeypatch):
  flags = {'over': 'a=1', 'folds': 'b=1', 'settings': None, 'config': 'x'}
  flags |= {'seeds': 1, 'average': 'fisher_z', 'batches': 'shared'}
  flags |= {'rates': 'auto', 'one_by_one': False, 'at_once': 8}
  args = types.SimpleNamespace(FLAGS=types.SimpleNamespace(**flags))
  monkeypatch.setattr(door, 'flags', args)
  runs = series.Series('x', '', {}, epath.Path(tmp_path), ('a/top1',))
  monkeypatch.setattr(series, 'from_flags', lambda *given: runs)
  with lock.hold(tmp_path), pytest.raises(BlockingIOError, match='is in use'):
    door.main(['x'])


def test_all_processes_end_with_the_sentence_of_the_first(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(holding.jax, 'process_count', lambda: 2)
  monkeypatch.setattr(holding.jax, 'process_index', lambda: 1)
  monkeypatch.setattr(holding, 'of_first', lambda text: 'held by host a')
  with (
    pytest.raises(BlockingIOError, match='held by host a'),
    holding.workdir(tmp_path / 'run'),
  ):
    pass
  assert not (tmp_path / 'run').exists()
