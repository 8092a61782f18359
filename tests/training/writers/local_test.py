"""What every run writes, and TensorBoard's events."""

import json

import pytest
import tensorflow as tf
from etils import epath
from tensorboard.plugins.hparams import metadata

from vidpetl import mistakes
from vidpetl.training import writers
from vidpetl.training.writers import json_lines


def test_resuming_forgets_later_lines_and_a_torn_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n{"step": 3, "a"')
  sent, there = json_lines.forget_after(epath.Path(path), 1)
  assert (sent, there) == ({(1, 'a'), (2, 'a')}, {(1, 'a')})
  writer = json_lines.JsonLines(epath.Path(path))
  writer.write_scalars(2, {'a': 5})
  writer.close()
  assert _rows(tmp_path) == [{'step': 1, 'a': 1}, {'step': 2, 'a': 5.0}]


@pytest.mark.parametrize(
  'line',
  (
    b'\xff\xfe\x80',
    b'5',
    b'[' * 100_000,
    b'{"a": 1}',
    b'{"step": "2"}',
    b'{"step": 2, "a": "x"}',
  ),
)
def test_a_damaged_line_is_left_out_and_told(tmp_path, line):
  path = epath.Path(tmp_path / 'metrics.jsonl')
  sound = b'{"step": 1, "a": 1}\n'
  path.write_bytes(sound + line + b'\n' + sound)
  with pytest.warns(mistakes.Note, match=r'metrics\.jsonl .*line 2'):
    assert json_lines.read_lines(path) == [{'step': 1, 'a': 1}] * 2


def test_an_evaluation_keeps_all_lines_but_a_torn_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 30, "a": 1}\n{"step": 31, "a"')
  writer = writers.create(epath.Path(tmp_path))
  writer.write_scalars(10, {'a': 5})
  writer.close()
  assert _rows(tmp_path) == [{'step': 30, 'a': 1}, {'step': 10, 'a': 5.0}]


def _rows(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def _events(folder):
  """Returns tag -> (step, content of its plugin) of a folder's events."""
  found = {}
  for path in folder.glob('events.out.tfevents.*'):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        content = value.metadata.plugin_data.content
        found[value.tag] = (event.step, content)
  return found


def test_curves_and_what_compares_runs_are_apart_in_tensorboard(tmp_path):
  """A table in the tab HParams has no column for each curve."""
  workdir = epath.Path(tmp_path) / 'lora' / 'seed1'
  workdir.mkdir(parents=True)
  writer = writers.create(workdir, ('tensorboard',))
  writer.write_hparams({'rank': 4, 'method': 'lora', 'flip': True})
  writer.write_scalars(1, {'loss': 0.5})
  writer.write_scalars(2, writers.as_reported({'k/top1': 0.25}))
  writer.close()
  assert _events(workdir).keys() == {'loss'}
  compared = _events(workdir / 'reported')
  assert compared['k/top1'][0] == 2
  _, content = compared.pop(metadata.SESSION_START_INFO_TAG)
  start = metadata.parse_session_start_info_plugin_data(content)
  # Runs of equal values are not one row.
  assert start.group_name == 'lora/seed1'
  assert start.hparams['rank'].number_value == 4
  assert start.hparams['method'].string_value == 'lora'
  assert start.hparams['flip'].bool_value
  assert compared.keys() == {'k/top1'}
  assert _rows(workdir)[1] == {'step': 2, 'reported/k/top1': 0.25}


def test_an_unknown_writer_is_told_those_there_are():
  with pytest.raises(ValueError) as error:
    writers.check(('tensorboard', 'visdom'))
  assert str(error.value) == (
    "config.writers='visdom'; there are: mlflow, tensorboard, wandb"
  )


@pytest.mark.parametrize('name', ['wandb', 'mlflow'])
def test_a_missing_package_is_told_its_command(name, monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', _hiding(name))
  with pytest.raises(ValueError, match=rf"pip install 'vidpetl\[{name}\]'"):
    writers.check((name,))


def _hiding(package):
  find = writers.about.importlib.util.find_spec
  return lambda name, *more: None if name == package else find(name, *more)
