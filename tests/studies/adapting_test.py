"""A search: what it asks, tries and remembers."""

import json
import math
import types

import drawn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from vidpetl import backbones
from vidpetl.experiment import published, recognising
from vidpetl.parameters import storage, variables
from vidpetl.recipes import presets
from vidpetl.studies import flops, series, settings, sweeping
from vidpetl.studies.adapting import (
  asking,
  candidates,
  cost,
  following,
  journal,
  space,
  stages,
  winning,
)
from vidpetl.studies.planning import cards
from vidpetl.training import interruption

SIZES = cost.Sizes(train=80, held=20, test=50, last=100)
HOW = {
  name: cost.Trained(seconds, 8, name != 'ladder')
  for name, seconds in (('ladder', 1.0), ('lora', 2.0))
}


def test_only_classifiers_have_normalised_heads():
  names = lambda task: [each['name'] for each in space.probes(task)]
  assert 'normalised' in names('localisation')
  assert 'normalised' not in names('quality.usdl')
  with pytest.raises(ValueError, match=r'--probes=best: of quality\.usdl'):
    space.probes('quality.usdl', ['best'])
  (lora,) = space.methods(
    ['lora'], space.probes('multilabel', ['attentive'])[0]
  )
  assert lora == {'name': 'lora', 'method': 'lora', 'probe': 'attentive'}


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


def test_what_was_decided_and_spent_outlives_a_process(folder):
  books = journal.Journal(folder, {'seeds': 3})
  assert books.once('plan', lambda: [1]) == [1]
  stage = books.stage('heads', lambda: {'seeds': 2})
  run = {'forward': 5, 'backward': 2, 'seconds': 7.0}
  stage['runs']['heads/linear/seed0'] = run
  books.write()
  again = journal.Journal(folder, {'seeds': 3})
  assert again.once('plan', lambda: pytest.fail('again')) == [1]
  kept = again.stage('heads', lambda: pytest.fail('again'))
  assert kept['decided'] == {'seeds': 2}
  assert again.spent.clips == 7 and again.spent.seconds >= 7.0
  with pytest.raises(ValueError, match='another search: seeds: 3 then, 4 now'):
    journal.Journal(folder, {'seeds': 4})


def test_a_plan_alone_gives_way_to_another_search(folder):
  journal.Journal(folder, {'seeds': 3}).once('plan', lambda: [1])
  again = journal.Journal(folder, {'seeds': 4})
  assert again.found['asked'] == {'seeds': 4} and 'plan' not in again.found


def test_the_time_of_a_process_that_was_killed_is_spent(folder):
  books = journal.Journal(folder, {})
  run = folder / 'heads' / 'linear' / 'rate0.1' / 'seed0'
  run.mkdir(parents=True)
  (run / 'metrics.jsonl').write_text('')
  found = json.loads((folder / journal.FILE).read_text())
  found['at'] -= 60.0
  (folder / journal.FILE).write_text(json.dumps(found))
  assert books.spent.seconds == 0
  assert journal.Journal(folder, {}).spent.seconds == pytest.approx(60, abs=5)


@pytest.mark.parametrize(
  'words, problem',
  [
    ([], '--weights is missing'),
    (['weights=a', 'method=lora'], '--method is searched.*--methods='),
    (['weights=a', 'probe_depth=3'], '--probe is searched'),
    (['weights=a', 'seed=3'], '--seed is searched.*--seeds'),
  ],
)
def test_what_is_searched_is_not_given(words, problem):
  with pytest.raises(ValueError, match=problem):
    asking.of_words('videos', words)


def test_no_limit_is_none():
  assert asking.limit(None, None) == cost.Limit(math.inf, math.inf)
  assert asking.limit(2.0, 5) == cost.Limit(5, 7200.0)
  assert not asking.limit(None, 5).allows(cost.Cost(forward=3, backward=3))


@pytest.fixture
def weights(folder):
  """A tiny VideoMAE, as `vidpetl convert` writes one."""
  fields = presets.find('videomae_b')
  fields = {**fields.fields, **fields.tiny}
  model = backbones.build(fields)
  init = jax.jit(lambda key, x: model.init(key, x, train=False))
  tree = init(jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))
  tree = {name: {'backbone': part} for name, part in tree.items()}
  path = str(folder / 'tiny.safetensors')
  said = {'family': 'videomae', 'file': 'x', 'backbone': fields}
  arrays = {k: np.asarray(v) for k, v in variables.flatten(tree).items()}
  storage.save_arrays(path, arrays, published.to_metadata(said))
  return path


def test_a_file_of_weights_tells_its_backbone(weights):
  found = recognising.recognise(weights)
  assert presets.find(found.preset).fields['kind'] == 'videomae'
  assert found.fields['backbone']['width'] == 8


@pytest.fixture
def search(folder, weights):
  """Returns what searches, as the command does."""
  videos = drawn.folder(folder / 'videos', train=10, val=2, frames=20)
  more = [f'weights={weights}', 'frames=4', 'resolution=32', 'stride=1']
  more += ['epochs=2', 'batch=4', 'eval_batch=4']

  def follow(**limits):
    asked = asking.Asked(
      *asking.of_words(str(videos), more),
      {'input.workers': '2'},
      folder / 'search',
      cost.Limit(**limits),
      seeds=1,
      probes=['linear'],
      methods=['lora', 'adapter3d'],
    )
    card = cards.Card('card', 'cpu', 2**33, {'float32': 1e12}, 1e11)
    return following.follow(asked, 'videos', card, False, False)

  return follow


@pytest.mark.slow
def test_a_search_ends_with_a_model_and_goes_on_where_it_was_killed(
  search, folder, monkeypatch, capsys
):
  run = stages.run

  def killed(stage, *args):
    if stage == 'methods1':
      raise series.Interrupted
    return run(stage, *args)

  monkeypatch.setattr(stages, 'run', killed)
  assert search(clips=600) == interruption.STATUS
  heads = sorted((folder / 'search' / 'heads').glob('*/*/*/results.json'))
  before = [path.stat().mtime for path in heads]
  decided = json.loads((folder / 'search' / journal.FILE).read_text())
  monkeypatch.setattr(stages, 'run', run)
  assert search(clips=600) == 0
  assert [path.stat().mtime for path in heads] == before
  found = json.loads((folder / 'search' / journal.FILE).read_text())
  assert found['plan'] == decided['plan']
  _check_books(found, folder / 'search')
  printed = capsys.readouterr().out
  assert 'best  ' in printed or 'best\n' in printed
  assert 'vidpetl predict --run=' in printed
  page = (folder / 'search' / 'adapt.html').read_text()
  assert 'went on' in page and 'vidpetl export --run=' in page


def _check_books(found, folder):
  """A search keeps its budget, chooses by what is held out, and hands over."""
  runs = [r for s in found['stages'].values() for r in s['runs'].values()]
  assert 0 < sum(r['forward'] + r['backward'] for r in runs) <= 600
  # Rates and seeds read features that were encoded once.
  heads = found['stages']['heads']['runs'].values()
  assert 0 < sum(r['forward'] for r in heads) <= 2 * (2 * 16 + 4)
  for name in found['stages']['heads']['runs']:
    results = json.loads((folder / name / 'results.json').read_text())
    assert results['tasks']['videos']['dataset'] == 'videos/train (held out)'
  model = epath.Path(found['model'])
  results = json.loads((model / 'results.json').read_text())
  assert (model / 'adapter').exists()
  if found['winner']['setting']:
    assert results['tasks']['videos']['dataset'] == 'videos/val'
    assert results['training_examples'] == {'videos': 20}


def _ranked(name, values, trained=1):
  run = cost.Cost(1.0, 0.0, 1.0)
  return stages.Ranked(name, math.nan, values, trained, run, 1.0, name)


def test_of_equal_ones_that_wins_which_trains_less():
  done = types.SimpleNamespace(
    found={
      'heads': [_ranked('linear', (0.5, 0.7), 5)],
      'methods1': [_ranked('lora', (0.9,), 9)],
      'methods2': [_ranked('ladder', (0.7, 0.5), 9)],
    }
  )
  assert winning.winner(done)[1].name == 'linear'
  done.found['methods2'] = [_ranked('ladder', (0.8, 0.5), 9)]
  assert winning.winner(done)[1].name == 'ladder'
  done.found['methods2'] = [_ranked('ladder', (math.nan, 0.9), 9)]
  assert winning.winner(done)[1].name == 'linear'
  # As json, which has no nan.
  row = done.found['methods2'][0].row()
  assert row['rate'] is None and row['values'] == [None, 0.9]


@pytest.fixture
def stage(folder, monkeypatch):
  """Returns what runs a stage of two methods, whose runs are made up."""
  names = ('lora', 'ladder')
  rate = {'config.optimizer.learning_rate': 0.1}
  settings = [{'name': n, 'method': n, **rate} for n in names]
  known = {
    n: candidates.Candidate(each, trained=5, at_once=2, how=HOW[n])
    for n, each in zip(names, settings)
  }
  trained = []

  def run_all(runs, failed, metrics, at_once):
    for workdir in runs:
      if workdir.parent.name not in trained:
        trained.append(workdir.parent.name)
      yield {workdir: _write(workdir)}

  monkeypatch.setattr(series, 'run_all', run_all)
  monkeypatch.setattr(flops, 'forward', lambda config: {})
  monkeypatch.setattr(sweeping.Sweep, 'write', lambda self: None)
  monkeypatch.setattr(sweeping.Sweep, 'told', lambda self: '')

  def run(enough):
    books = journal.Journal(folder, {})
    decided = stages.Stage(settings, 1, (1.0,)).decided()
    entry = books.stage('methods1', lambda: decided)
    load = lambda chosen, seed: types.SimpleNamespace(validation=0.2)
    found, _ = stages.run(
      'methods1', books, load, known, 'a/top1', SIZES, lambda: enough
    )
    entry['done'] = True
    books.write()
    return books, found, trained

  return run


def _write(workdir):
  """Writes what a run of 20 steps leaves; returns its results."""
  workdir.mkdir(parents=True, exist_ok=True)
  value = {'lora': 0.5, 'ladder': 0.75}[workdir.parent.name]
  tasks = {'a': {'metrics': {'top1': value}}}
  line = json.dumps({'step': 20, 'tasks': tasks})
  (workdir / 'evaluations.jsonl').write_text(line + '\n')
  rates = {'step': 10, 'learning_rate': 0.1, 'speed/steps_per_second': 0.25}
  (workdir / 'metrics.jsonl').write_text(json.dumps(rates) + '\n')
  reported = {'step': 20, 'by': 'a/top1', 'evaluations': 2}
  counted = {'trained': 5, 'trained_heads': 1, 'total': 9}
  return {
    'steps': 20,
    'reported': reported,
    'parameters': counted,
    'tasks': tasks,
  }


def test_a_stage_counts_each_run_once_and_ranks_by_what_is_held_out(stage):
  books, found, _ = stage(enough=False)
  assert [one.name for one in found] == ['ladder', 'lora']
  # 20 steps of 8 clips, two evaluations of 20.
  assert [one.cost.clips for one in found] == [200, 360]
  clips = books.spent.clips
  books, again, _ = stage(enough=False)
  assert books.spent.clips == clips == 560 and again[0].mean == found[0].mean
  of = {f'methods1/{name}/': HOW[name] for name in ('lora', 'ladder')}
  # A step takes 4 s in place of 2 and 1.
  assert stages.pace(books, of, {}).scale == pytest.approx(8 / 3)


def test_a_stage_that_the_budget_ended_stays_ended(stage):
  _, found, trained = stage(enough=True)
  assert [one.name for one in found] == trained == ['lora']
  _, again, trained = stage(enough=False)
  assert [one.name for one in again] == trained == ['lora']


def test_a_split_to_choose_by_leaves_another_to_test_on(folder, weights):
  videos = drawn.folder(folder / 'videos', train=4, val=2)
  more = [f'weights={weights}', 'frames=4', 'resolution=32']
  plain = settings.make([{'name': 'head', 'method': 'head'}])

  def asked(**fields):
    told = asking.of_words(str(videos), more)
    asked = asking.Asked(*told, fields, folder / 'search', cost.Limit())
    return asked.with_test(asked.searching().load(plain, 0))

  held = asked()
  assert held.searching().load(plain, 0).validation == asking.HELD_OUT
  assert held.last().load(plain, 0).tasks.videos.eval.split == 'val'
  for name in ('run', 'walk'):
    drawn.clip(videos / 'test' / name / '9.mp4', 99)
  own = asked()
  config = own.searching().load(plain, 0)
  assert (config.validation, config.test) == (0.0, False)
  assert config.tasks.videos.eval.split == 'val'
  assert own.last().load(plain, 0).tasks.videos.eval.split == 'test'
  assert not asked(validation='0.3').test
