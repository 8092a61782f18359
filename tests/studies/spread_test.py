"""Seeds that came out as one run have no spread, and a sweep says so."""

import itertools
import json

import pytest
from etils import epath

from vidpetl.studies import (
  flops,
  rates,
  series,
  settings,
  spread,
  sweeping,
  tradeoff,
)
from vidpetl.training import reporting

SPEEDS = itertools.count()  # They differ from run to run.
SAYS = 'The seeds of head are one run, and have no spread'


def leave(folder, losses, top1=0.5):
  """Leaves what a run logged, and measured on held-out examples."""
  folder.mkdir(parents=True)
  rest = {'learning_rate': 0.1, 'speed/steps_per_second': next(SPEEDS)}
  rows = [{'step': i, 'a/loss': x} | rest for i, x in enumerate(losses)]
  text = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / 'metrics.jsonl').write_text(text)
  row = {'step': 1, 'tasks': {'a': {'metrics': {'top1': top1}}}}
  (folder / reporting.FILE).write_text(json.dumps(row) + '\n')


@pytest.mark.parametrize(
  'runs, alike',
  [
    (((2.5, 1.25), (2.5, 1.25), (2.5, 1.2500001)), True),
    (((2.5, 1.25), (2.5, 1.25), (2.5, 1.25001)), False),
    (((2.5, 1.25), (2.5,)), False),
    (((2.5,),), False),
    (((), ()), False),
  ],
)
def test_seeds_are_one_run_whose_losses_are_equal_to_rounding(
  runs, alike, tmp_path
):
  folders = [epath.Path(tmp_path) / str(i) for i in range(len(runs))]
  for folder, losses in zip(folders, runs):
    leave(folder, losses)
  assert spread.alike(folders) == alike


def result(value):
  return {
    'parameters': {'total': 100, 'trained': 10, 'trained_heads': 10},
    'reported': {'how': 'last', 'step': 1, 'note': '', 'evaluations': 1},
    'tasks': {'a': {'metrics': {'top1': value}}},
  }


def test_a_sweep_shows_no_spread_of_seeds_that_are_one_run(tmp_path):
  head, full = settings.parse('method=head; method=full')
  found = {
    head: tradeoff.Runs([result(0.5), result(0.5)], alike=True),
    full: tradeoff.Runs([result(0.5), result(0.6)]),
  }
  lines = tradeoff.table(found, ['a/top1']).splitlines()
  assert '| 50.0 | 2 alike |' in lines[2]
  assert '| 55.0 ± 7.1 | 2 |' in lines[3]
  assert lines[4] == '' and lines[5].startswith(SAYS) and len(lines) == 6
  assert '--batches=own' in lines[5] and 'full' not in lines[5]
  del found[head]
  assert 'one run' not in tradeoff.table(found, ['a/top1'])


def test_a_sweep_names_the_rate_that_was_picked(tmp_path):
  head, own = settings.parse('method=head; method=lora,learning_rate=3')
  found = {
    head: tradeoff.Runs([result(0.5)], rate=0.002),
    own: tradeoff.Runs([result(0.5)]),
  }
  lines = tradeoff.table(found, ['a/top1']).splitlines()
  assert lines[0].startswith('| | rate | trained |')
  assert lines[2].startswith('| head | 0.002 | 0 |')
  assert lines[3].startswith('| lora, learning_rate=3 | | 0 |')
  costs = {each: {'a': 1e9} for each in found}
  tradeoff.write(epath.Path(tmp_path), found, ['a/top1'], costs)
  saved = json.loads((tmp_path / 'sweep.json').read_text())
  assert [each['rate'] for each in saved] == [0.002, None]
  del found[head]
  assert 'rate |' not in tradeoff.table(found, ['a/top1'])


def test_a_sweep_looks_at_the_runs_of_the_rate_that_it_picks(
  tmp_path, make_config, monkeypatch
):
  """The lower rate is better, and its seeds are one run."""

  def run_all(runs, *_):
    for workdir in runs:
      low = workdir.parent.name == 'rate0.1'
      loss = 2.0 if low else float(workdir.name[-1])
      leave(workdir, [loss], 0.75 if low else 0.5)
    yield {workdir: result(0.5) for workdir in runs}

  def load(chosen, seed):
    rate = chosen[0].fields.get(rates.RATE, 0.1)
    fields = {'validation': 0.4, 'optimizer.learning_rate': rate}
    return make_config('ava', seed=seed, **fields)

  monkeypatch.setattr(series, 'run_all', run_all)
  monkeypatch.setattr(flops, 'forward', lambda config: {'a': 1e9})
  folder = epath.Path(tmp_path)
  chosen = settings.parse('method=head')
  assert not sweeping.sweep(load, chosen, 2, ['a/top1'], folder, (1.0, 3.0))
  told = (folder / 'sweep.md').read_text()
  assert '| head | 0.1 |' in told and '| 50.0 | 2 alike |' in told
  assert SAYS in told
  told = (folder / 'rates.md').read_text()
  assert '| head | 0.1 | 75.0 | picked |' in told
  assert '| head | 0.3 | 50.0 ± 0.0 | |' in told
