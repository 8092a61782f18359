import json

from etils import epath

from vidpetl.training import writers


def test_resuming_forgets_later_lines_and_a_torn_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n{"step": 3, "a"')
  writers.forget_after(epath.Path(path), 1)
  writer = writers.JsonLines(epath.Path(path))
  writer.write_scalars(2, {'a': 5})
  writer.close()
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  assert rows == [{'step': 1, 'a': 1}, {'step': 2, 'a': 5.0}]


def test_an_evaluation_keeps_all_lines_but_a_torn_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 30, "a": 1}\n{"step": 31, "a"')
  writer = writers.create(epath.Path(tmp_path))
  writer.write_scalars(10, {'a': 5})
  writer.close()
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  assert rows == [{'step': 30, 'a': 1}, {'step': 10, 'a': 5.0}]


def test_tensorboard_gets_the_scalars_too(tmp_path):
  writer = writers.create(epath.Path(tmp_path), resumed_at=0)
  writer.write_scalars(1, {'loss': 0.5})
  writer.close()
  assert json.loads((tmp_path / 'metrics.jsonl').read_text())['loss'] == 0.5
  assert list(tmp_path.glob('events.out.tfevents.*'))
