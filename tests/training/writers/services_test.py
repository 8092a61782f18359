"""Weights & Biases and MLflow, read back from the files that they keep."""

import json
import math

import pytest
import wandb_files
from etils import epath

from vidpetl import mistakes
from vidpetl.training import loop, writers

NEEDS = "needs the extra '{}': pip install -e .[{}]"


@pytest.fixture
def wandb(monkeypatch, tmp_path):
  """The package, offline."""
  monkeypatch.setenv('WANDB_MODE', 'offline')
  monkeypatch.setenv('WANDB_ERROR_REPORTING', 'false')
  reason = NEEDS.format('wandb', 'wandb')
  return pytest.importorskip('wandb', reason=reason)


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
  """The package, with a store of files."""
  monkeypatch.setenv('MLFLOW_TRACKING_URI', (tmp_path / 'store').as_uri())
  monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
  reason = NEEDS.format('mlflow', 'mlflow')
  return pytest.importorskip('mlflow', reason=reason)


@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
def test_a_training_arrives_as_it_is_in_metrics_jsonl(
  wandb, mlflow, make_config, tmp_path
):
  workdir = tmp_path / 'runs' / 'tiny'
  names = ('wandb', 'mlflow')
  config = make_config('kinetics400', steps=2, writers=names)
  loop.run(config, str(workdir), {'method': 'full'})
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = {
    (row['step'], tag): value
    for row in map(json.loads, lines)
    for tag, value in row.items()
    if tag != 'step'
  }
  assert (2, 'kinetics400/loss') in rows
  assert (2, 'reported/kinetics400/top1') in rows
  _check_wandb(workdir, rows)
  _check_mlflow(mlflow, workdir, rows)
  # TensorBoard was not asked for.
  assert not list(workdir.rglob('events.out.tfevents.*'))


def _check_wandb(workdir, rows):
  (path,) = workdir.glob('wandb/offline-run-*/*.wandb')
  logged = wandb_files.history(path)
  found = {
    (row['step'], tag): value
    for row in logged
    for tag, value in row.items()
    if (row['step'], tag) in rows
  }
  assert found == pytest.approx(rows)
  assert any('kinetics400/confusion/_type' in row for row in logged)
  assert list(path.parent.glob('files/media/images/kinetics400/*.png'))
  config = wandb_files.config(path)
  assert config['batch_size'] == 8
  assert config['hparams']['method'] == 'full'


def _check_mlflow(mlflow, workdir, rows):
  client = mlflow.MlflowClient()
  run = client.get_run((workdir / 'mlflow.id').read_text().strip())
  assert run.info.run_name == 'runs/tiny'
  assert run.info.status == 'FINISHED'
  assert run.data.params['batch_size'] == '8'
  found = {}
  for key in run.data.metrics:
    for each in client.get_metric_history(run.info.run_id, key):
      found[each.step, key.removeprefix('run/')] = each.value
  assert found == pytest.approx(rows)
  pictures = client.list_artifacts(run.info.run_id, 'pictures/kinetics400')
  assert [p.path.rpartition('/')[2] for p in pictures] == ['confusion.2.png']


def _write(workdir, names, steps, resumed_at=math.inf):
  config = {'tasks': {'k': {}}}
  writer = writers.create(
    epath.Path(workdir), names, config, resumed_at=resumed_at
  )
  writer.write_hparams({'epochs': max(steps)})
  for step in steps:
    writer.write_scalars(step, {'loss': 1.0 / step, 'loss/a': math.nan})
    # An evaluation after the same step.
    writer.write_scalars(step, {'k/top1': 0.5})
  writer.close()


@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
def test_a_resumed_run_is_the_same_in_wandb_with_each_step_once(
  wandb, tmp_path
):
  _write(tmp_path, ('wandb',), [1, 2])
  _write(tmp_path, ('wandb',), [2, 3], resumed_at=1)
  one, other = wandb_files.run_ids(tmp_path)
  assert one == other == (tmp_path / 'wandb.id').read_text().strip()
  logged = [
    (row['step'], tag)
    for path in tmp_path.glob('wandb/offline-run-*/*.wandb')
    for row in wandb_files.history(path)
    for tag in ('loss', 'k/top1')
    if tag in row
  ]
  assert sorted(logged) == [
    (step, tag) for step in (1, 2, 3) for tag in ('k/top1', 'loss')
  ]


def test_a_resumed_run_is_the_same_in_mlflow_with_each_step_once(
  mlflow, tmp_path
):
  _write(tmp_path, ('mlflow',), [1, 2])
  before = (tmp_path / 'mlflow.id').read_text()
  _write(tmp_path, ('mlflow',), [2, 3], resumed_at=1)
  assert (tmp_path / 'mlflow.id').read_text() == before
  client, name = mlflow.MlflowClient(), before.strip()
  for key in ('run/loss', 'k/top1'):
    history = client.get_metric_history(name, key)
    assert sorted(each.step for each in history) == [1, 2, 3]
  # A parameter cannot change; that it did is not lost.
  data = client.get_run(name).data
  assert (data.params['epochs'], data.tags['now.epochs']) == ('2', '3')


@pytest.mark.parametrize('left', [None, '0' * 32])
def test_a_run_that_a_store_does_not_know_begins_there(mlflow, tmp_path, left):
  """So that nothing counts as sent."""
  _write(tmp_path, (), [1, 2])
  if left:
    (tmp_path / 'mlflow.id').write_text(left)
  _write(tmp_path, ('mlflow',), [2, 3], resumed_at=1)
  name = (tmp_path / 'mlflow.id').read_text().strip()
  history = mlflow.MlflowClient().get_metric_history(name, 'k/top1')
  assert sorted(each.step for each in history) == [2, 3]


def test_without_a_login_wandb_keeps_the_run_here(wandb, monkeypatch, tmp_path):
  monkeypatch.delenv('WANDB_MODE')
  monkeypatch.delenv('WANDB_API_KEY', raising=False)
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.setenv('NETRC', str(tmp_path / 'netrc'))
  with pytest.warns(mistakes.Note) as notes:
    _write(tmp_path, ('wandb',), [1])
  first, second = (str(note.message) for note in notes)
  assert 'nobody is logged in' in first
  folder = second.rpartition(' ')[2]
  (path,) = epath.Path(folder).glob('*.wandb')
  assert wandb_files.history(path)[0]['step'] == 1


def test_a_store_that_mlflow_cannot_open_is_refused(mlflow, monkeypatch):
  monkeypatch.delenv('MLFLOW_ALLOW_FILE_STORE')
  with pytest.raises(ValueError, match='MLFLOW_TRACKING_URI=http'):
    writers.check(('mlflow',))
