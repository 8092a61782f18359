"""A small part of `python -m launch.chaos`, and that it sees what fails."""

import json
import os
import types

import misbehaving
import pytest
from etils import epath

from launch.chaos import (
  bench,
  damage,
  fuzzing,
  kills,
  left,
  mutations,
  readers,
  resumption,
  tally,
  topologies,
)

SEED = 1
# A reader of each kind of file.
FILES = (
  *('weights, npz', 'weights, safetensors', 'package', 'converted file'),
  *('annotations, ava', 'annotations, hmdb51', 'own manifest', 'import, coco'),
  *('film, mp4, trained on', 'pictures, png', 'exemplars', 'records'),
)


@pytest.fixture
def out(tmp_path):
  return epath.Path(tmp_path)


@pytest.fixture
def counts(out):
  return tally.Tally(out)


def _lay(films, folder):
  folder.mkdir()
  os.symlink(films, folder / 'films')


def _check(counts):
  assert not counts.failed, counts.write()


@pytest.mark.slow
def test_every_fault_of_a_reader_is_seen(out):
  for fault, reader in misbehaving.READERS.items():
    tried = bench.Bench(reader, out / fault)
    try:
      outcome = tried.attempt(misbehaving.FILE, lambda data: data[:2])
      assert outcome.kind == fault, outcome
      again = tried.attempt(misbehaving.FILE, lambda data: data)
      assert again.kind == 'same'
    finally:
      tried.close()


def test_each_failure_is_counted_and_told_once(out, counts):
  for number in (7, 8):
    outcome = tally.Outcome('traceback', f'KeyError: {number}')
    assert counts.add('files: a', outcome, case=number) == (number == 7)
  counts.add('files: a', tally.Outcome('refused', 'x'))
  assert counts.failed == 2
  assert '| files: a | 3 | 1 | 0 | 0 | 2 |' in counts.write()
  (told,) = json.loads((out / 'failures' / 'failures.json').read_text())
  assert (told['times'], told['case']) == (2, 7)


@pytest.mark.parametrize('kind', mutations.KINDS)
def test_a_mutation_damages_any_file(kind):
  for data in (b'', b'a', bytes(range(256))):
    for at in (0, 50_000, 99_999):
      damaged = mutations.Mutation(kind, at, 30_000, 5).apply(data)
      assert isinstance(damaged, bytes)
  assert mutations.Mutation(kind, 50_000, 30_000, 5).apply(data) != data


def test_a_point_that_is_there_twice_is_a_difference(out):
  row = {'step': 1, 'a/loss': 0.5, 'speed/x': 1.0}
  lines = json.dumps(row) + '\n'
  found = []
  for times in (1, 2):
    (out / 'metrics.jsonl').write_text(lines * times)
    found.append(dict(left.points(out)))
  (difference,) = left.differences(found[1], found[0])
  assert difference.startswith("metrics.jsonl, twice: ['a/loss of step 1']")


def test_a_run_that_goes_on_too_early_has_lost_steps(out):
  for step in (4, 8):
    (out / 'run' / 'checkpoints' / str(step)).mkdir(parents=True)
  before = resumption.saved(out)
  assert before == {str(out / 'run'): 8}
  at = lambda step: f'Resuming at step {step} of 24 from {out}/run/checkpoints '
  lost = lambda said, ended: resumption.lost(before, said, ended, 24)
  assert not lost(at(8), True)
  assert lost(at(4), False) == [f'{out}/run went on at step 4, not 8']
  assert lost('Starting at step 0', True)
  assert not lost('', False)  # It was killed before it came to that.


@pytest.mark.slow
@pytest.mark.parametrize('name', FILES)
def test_damaged_files_are_refused_by_name(name, out, counts):
  (chosen,) = [r for r in readers.everything() if r.name == name]
  fuzzing.run([chosen], 12, SEED, out, counts)
  _check(counts)


@pytest.mark.slow
@pytest.mark.parametrize('fault', ['', 'forgets'])
def test_a_killed_command_goes_on_or_is_seen(fault, out, counts, films):
  """Of runs, `main_test` holds that they do."""
  _lay(films, out / 'kills')
  counting = kills.Killed(
    'counting',
    lambda _, folder: ['tests.counting', str(folder), *filter(None, [fault])],
    lambda folder: {'steps': [*resumption.saved(folder).values()]},
  )
  kills.run(6, SEED, out, counts, [counting])
  assert bool(counts.failed) == bool(fault), counts.write()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_no_other_state(out, counts):
  damage.run(3, SEED, out, counts)
  _check(counts)


@pytest.mark.parametrize('difference', [1.0, 1.0001])
def test_devices_that_change_a_loss_are_seen(
  difference, out, counts, films, monkeypatch
):
  """Of runs, `main_test` holds that they do not."""

  def run(words, folder, log, devices=1):
    folder.mkdir()
    loss = 0.5 * (difference if devices > 1 else 1)
    rows = [{'step': step, 'a/loss': loss} for step in (1, 2)]
    text = '\n'.join(map(json.dumps, rows))
    (folder / 'metrics.jsonl').write_text(text)
    return types.SimpleNamespace(code=0)

  monkeypatch.setattr(topologies.commands, 'run', run)
  _lay(films, out / 'topologies')
  topologies.run(1, SEED, out, counts)
  assert bool(counts.failed) == (difference > 1), counts.write()
