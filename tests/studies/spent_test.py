"""The page of a run says where its time went, and what bounds it."""

import json

import pytest
from etils import epath

from vidpetl.studies import recorded
from vidpetl.studies.report import page, spent
from vidpetl.training import shares

DEVICE, INPUT = shares.DEVICE, shares.INPUT
NONE = {'seconds': 0.0, 'spent': {}, 'idle': {}}


def record(**parts):
  """Returns what is counted of parts: seconds, and those with idle devices."""
  took = {name: seconds for name, (seconds, _) in parts.items()}
  idle = {name: seconds for name, (_, seconds) in parts.items()}
  return {'seconds': sum(took.values()), 'spent': took, 'idle': idle}


@pytest.fixture
def leave(tmp_path):
  """Returns a function that leaves a run with a time.json."""

  def write(text):
    (tmp_path / 'metrics.jsonl').write_text('')
    if text is not None:
      (tmp_path / 'time.json').write_text(text)
    return recorded.Recorded(epath.Path(tmp_path), 'run')

  return write


@pytest.mark.parametrize(
  'parts, told',
  [
    (
      {'device': (60, 0), 'input': (30, 10), 'evaluation': (10, 0)},
      'The devices bound this run: they were busy with steps for at least '
      '80.0 % of 1:40 min.',
    ),
    (
      {'device': (3, 0), 'input': (7, 6)},
      'Input bounds this run: devices had no batch for up to 60.0 % of 10.0 s.',
    ),
    (
      {'device': (3, 0), 'checkpoints': (4, 4), 'other': (3, 3)},
      'Checkpoints bound this run: devices had nothing to do meanwhile for up '
      'to 40.0 % of 10.0 s.',
    ),
    (
      {'device': (1, 0), 'evaluation': (9, 0)},
      'Evaluations bound this run: they took 90.0 % of 10.0 s.',
    ),
  ],
)
def test_a_run_is_bound_by_what_took_most_of_its_devices_time(parts, told):
  assert spent.bound(record(**parts)) == told


def test_shares_seconds_and_idle_devices_are_in_a_table(leave):
  loops = {
    'training': record(input=(1, 0.5), device=(2, 0), evaluation=(1, 0)),
    'evaluations': record(metric=(0.25, 0), device=(0.75, 0)),
  }
  training, evaluations = spent.tables(leave(json.dumps(loops)))[1:3]
  rows = [
    '<td>waiting for the devices</td><td>50.0 %</td><td>2.0</td><td></td>',
    '<td>waiting for batches</td><td>25.0 %</td><td>1.0</td><td>12.5 %</td>',
  ]
  places = [training.index(row) for row in rows]
  assert places == sorted(places)
  assert '<td>metrics</td><td>25.0 %</td><td>0.2</td></tr>' in evaluations
  assert 'idle' not in evaluations


@pytest.mark.parametrize(
  'text, has, says',
  [
    (json.dumps({'training': record(device=(1, 0))}), True, 'devices bound'),
    (json.dumps({'training': NONE, 'evaluations': NONE}), False, ''),
    (json.dumps({'training': {'seconds': 3.0}}), False, ''),
    ('{"training": ', True, 'time.json: not json'),
    (None, False, ''),
  ],
)
def test_a_page_has_the_section_of_a_run_whose_time_was_kept(
  text, has, says, leave
):
  text = page.of_run(leave(text), explain=False)
  assert ('Where the time went' in text) == has
  assert says in text
