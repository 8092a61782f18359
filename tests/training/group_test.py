"""Runs that train together come out as each would alone."""

import json

import jax
import numpy as np
import pytest

from vidpetl.parameters import storage, variables
from vidpetl.recipes import methods
from vidpetl.studies import flops
from vidpetl.training import (
  alone,
  candidate,
  checkpoint,
  divergence,
  group,
  interruption,
  joining,
  loop,
)
from vidpetl.training import run as run_lib

# Seed, rate and weight decay.
OWN = ((0, 0.05, 0.0), (3, 0.02, 5.0))
TASK = 'kinetics400'


@pytest.fixture
def base(make_config, tmp_path):
  """A frozen trunk, as a file."""
  run = run_lib.prepare(make_config(TASK, steps=1))
  variables_of = variables.flatten(run.init_state()[0].variables)
  path = str(tmp_path / 'base.safetensors')
  storage.save_arrays(path, storage.to_host(variables_of))
  return path


@pytest.fixture
def make(make_config, base):
  """Returns configs that may train together."""

  def make(method, own, **fields):
    seed, rate, decay = own
    petl, rules = methods.make(
      method, **({'rank': 2} if method == 'lora' else {})
    )
    config = make_config(
      TASK,
      **{
        'petl': petl,
        'trainable': rules,
        'seed': seed,
        'data_seed': 7,
        'steps': 4,
        'eval_every_epochs': 0.0,
        'init.path': base,
        'init.skip': ('^heads_', '/site_'),
        'optimizer.learning_rate': rate,
        'checkpoint.every': 2,
        'checkpoint.best': f'{TASK}/top1',
        'writers': (),
        # Drawn by the seed of each.
        f'tasks.{TASK}.dropout': 0.3,
        **fields,
      },
    )
    config.unlock()
    for one in config.optimizer.groups.values():
      one['weight_decay'] = decay
    return config.lock()

  return make


# Of each of two runs, in the equations of loss, head and technique.
NUMBERS = {
  'head': {f'tasks.{TASK}.label_smoothing': (0.0, 0.2)},
  'lora': {
    'petl[0].alpha': (2.0, 8.0),
    'petl[0].dropout': (0.0, 0.2),
    f'tasks.{TASK}.dropout': (0.5, 0.0),
  },
  'adaptformer': {
    'petl[0].scale': (0.1, 0.7),
    'petl[0].dropout': (0.1, 0.3),
  },
}


def with_numbers(planned, method):
  """The same runs, which differ in numbers as well."""
  for path, values in NUMBERS[method].items():
    for each, value in zip(planned, values, strict=True):
      config = each.config.unlock()
      if path.startswith('petl'):
        first, *rest = config.petl
        name = path.removeprefix('petl[0].')
        config.petl = ({**first, name: value}, *rest)
      else:
        config.update_from_flattened_dict({path: value})
  return planned


def plan(make, method, folder, own=OWN, **fields):
  """Returns runs of a group, in folders of their own."""
  return [
    group.Planned(make(method, each, **fields), str(folder / str(i)), '', {})
    for i, each in enumerate(own)
  ]


def run_alone(planned, folder):
  """Returns results of the same runs, one by one."""
  return [
    loop.run(each.config, str(folder / str(i)))
    for i, each in enumerate(planned)
  ]


def losses(workdir):
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return [row[f'{TASK}/loss'] for row in rows if f'{TASK}/loss' in row]


def check_same(one, other):
  """Asserts that two working directories hold the same run."""
  files = lambda folder: {
    str(path.relative_to(folder))
    for path in folder.rglob('*')
    if 'checkpoints' not in str(path) and 'check.json' not in str(path)
  }
  assert files(one) == files(other)
  assert (one / 'config.json').read_text() == (
    other / 'config.json'
  ).read_text()
  np.testing.assert_allclose(losses(one), losses(other), rtol=2e-4)
  for step in checkpoint.Checkpoints(str(one)).steps():
    mine, theirs = (
      storage.load_changing(str(each / 'checkpoints' / str(step)))
      for each in (one, other)
    )
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
      np.testing.assert_allclose(
        array, theirs[name], rtol=2e-3, atol=2e-5, err_msg=name
      )


@pytest.mark.parametrize(
  'method',
  [
    'head',
    pytest.param('lora', marks=pytest.mark.slow),
    pytest.param('adaptformer', marks=pytest.mark.slow),
  ],
)
def test_numbers_in_a_group_are_those_alone(make, method, tmp_path):
  """Of other seeds, rates, decays, numbers: losses, checkpoints, metrics."""
  planned = with_numbers(plan(make, method, tmp_path / 'group'), method)
  found = group.run(planned)
  expected = run_alone(planned, tmp_path / 'alone')
  for i, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
    metrics = lambda results: results['tasks'][TASK]['metrics']
    assert metrics(mine) == pytest.approx(metrics(theirs), abs=1e-6)
    check_same(tmp_path / 'group' / str(i), tmp_path / 'alone' / str(i))
    if method == 'lora':
      fields = {'mode': 'eval', 'eval_checkpoint': 'none', 'steps': 4}
      fields['init.adapter'] = str(tmp_path / 'group' / str(i) / 'adapter')
      config = make(method, OWN[i], **fields)
      config.unlock().petl = planned[i].config.petl
      again = loop.run(config, str(tmp_path / f'again{i}'))
      assert metrics(again) == pytest.approx(metrics(mine), abs=1e-6)


def test_folds_train_together_and_come_out_as_alone(make, tmp_path):
  """On other examples, in another order, and for another number of steps."""
  fields = {'steps': 0, 'epochs': 2.0, 'batch_size': 2}
  fields['eval_every_epochs'] = 1.0
  of_data = lambda split, seed: {
    f'tasks.{TASK}.train.split': split, 'data_seed': seed
  }  # fmt: skip
  planned = [
    group.Planned(
      make('head', own, **fields, **of_data(*data)),
      str(tmp_path / 'group' / str(i)),
      '',
      {},
    )
    for i, (own, data) in enumerate(zip(OWN, (('train', 0), ('val', 1))))
  ]
  planned = with_numbers(planned, 'head')
  found = group.run(planned)
  expected = run_alone(planned, tmp_path / 'alone')
  assert [results['steps'] for results in found] == [6, 4]
  for i, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
    metrics = lambda results: results['tasks'][TASK]['metrics']
    assert metrics(mine) == pytest.approx(metrics(theirs), abs=1e-6)
    check_same(tmp_path / 'group' / str(i), tmp_path / 'alone' / str(i))


def test_a_frozen_trunk_is_computed_once(make, tmp_path):
  planned = plan(
    make, 'head', tmp_path, own=[(0, 0.1 * i, 0.0) for i in range(6)]
  )
  one, six = (_products(planned[:count]) for count in (1, 6))
  assert one < six < 1.1 * one


def _products(planned, predicts=False):
  """FLOPs of the products of a step, or of a prediction."""
  made = joining.prepare(
    [each.config for each in planned], [each.workdir for each in planned]
  )
  run = made.run
  for each in made.members:
    each.rates(0)  # As numbers, which are an argument of the step.
  batch = run.batch_shapes(TASK)
  with jax.set_mesh(run.mesh):
    step = lambda state, batch: made.step(TASK, state, batch, 0)[0]

    def predict(state, batch):
      (audience,) = made.audiences(state, range(len(planned)))
      return audience.predict(TASK, batch)

    return flops.products(predict if predicts else step, made.shapes, batch)


def test_a_trunk_that_normalises_by_frozen_statistics_is_computed_once(
  make_config, tmp_path
):
  _, rules = methods.make('head')
  fields = {'trainable': rules, 'petl': (), 'seed': 0}
  trunk = {'name': 'resnet3d', 'variant': 'r3d_18', 'width': 4}
  trunk['norm_statistics'] = 'frozen'
  configs = [
    make_config(TASK, **fields, **{'optimizer.learning_rate': 0.1 + i})
    for i in range(6)
  ]
  for config in configs:
    config.unlock().backbone = trunk
  planned = [
    group.Planned(config, str(tmp_path / str(i)), '', {})
    for i, config in enumerate(configs)
  ]
  found = [
    [_products(planned[:count], predicts) for predicts in (False, True)]
    for count in (1, 6)
  ]
  for one, six in zip(*found, strict=True):
    assert one < six < 1.2 * one


def test_its_program_is_compiled_for_the_batches_that_come(
  make, tmp_path, monkeypatch
):
  planned = plan(make, 'head', tmp_path)
  made = joining.prepare(
    [each.config for each in planned], [each.workdir for each in planned]
  )
  compiled, compile = [], jax.stages.Lowered.compile

  def counted(self):
    compiled.append(self)
    return compile(self)

  monkeypatch.setattr(jax.stages.Lowered, 'compile', counted)
  with jax.set_mesh(made.run.mesh):
    made.compile(TASK, True)
    made.compile(TASK, False)
  assert len(compiled) == 2
  batch = next(made.run.train_batches(0)[TASK])
  shapes = made.run.batch_shapes(TASK)
  told = lambda arrays: {k: (x.shape, x.dtype) for k, x in arrays.items()}
  assert told(shapes) == told(batch)


def test_each_knows_frozen_kernels_as_they_were_read(make, tmp_path, capfd):
  """A package is named by them, where the state has fewer bits."""
  planned = plan(make, 'head', tmp_path, frozen_dtype='int8')
  made = joining.prepare(
    [each.config for each in planned], [each.workdir for each in planned]
  )
  with jax.set_mesh(made.run.mesh):
    candidate.resume(
      [
        candidate.Candidate(member, each.workdir, 0.0, number)
        for number, (member, each) in enumerate(zip(made.members, planned))
      ]
    )
  for each in made.members:
    assert each.source.keys() == made.run.source.keys() != set()
  assert capfd.readouterr().err.count('kept in int8') == 1


def test_a_group_goes_on_where_it_was_stopped(make, tmp_path, monkeypatch):
  planned = plan(make, 'head', tmp_path / 'group')
  asked = iter(['', '', 'SIGTERM'])
  with monkeypatch.context() as patch:
    patch.setattr(
      interruption.Interruption, 'requested', lambda self: next(asked, '')
    )
    assert group.run(planned) is None
  assert not list(tmp_path.rglob('results.json'))
  assert {checkpoint.latest_in(each.workdir) for each in planned} == {3}
  group.run(planned)
  whole = plan(make, 'head', tmp_path / 'whole')
  group.run(whole)
  for i in range(len(planned)):
    folders = tmp_path / 'group' / str(i), tmp_path / 'whole' / str(i)
    last = [storage.load_changing(str(each)) for each in folders]
    for name, array in last[0].items():
      np.testing.assert_array_equal(array, last[1][name], err_msg=name)
    metrics = [json.loads((f / 'results.json').read_text()) for f in folders]
    assert metrics[0]['tasks'] == metrics[1]['tasks']


def test_what_diverges_is_left_out_and_the_others_go_on(make, tmp_path, capfd):
  """What had diverged is told with the way to go on, as of a run alone."""
  own = ((0, 0.05, 0.0), (0, 1e38, 0.0))
  fields = {'steps': 3, 'log_every': 1, 'optimizer.clip_norm': 0.0}
  sound, wrong = group.run(plan(make, 'head', tmp_path, own, **fields))
  assert sound['step'] == 3
  assert isinstance(wrong, divergence.DivergedError)
  assert 'begin anew with --config.optimizer.learning_rate=5e+37' in str(wrong)
  assert 'left out: The ' in capfd.readouterr().err
  assert not (tmp_path / '1' / 'results.json').exists()
  assert (tmp_path / '0' / 'adapter').exists()


def test_runs_of_other_frozen_parameters_or_fields_do_not_mix(make, tmp_path):
  planned = plan(make, 'head', tmp_path, **{'init.skip': ('.*',)})
  with pytest.raises(alone.UnlikeError, match='Other parameters are frozen'):
    group.run(planned)
  other = make('head', OWN[0], batch_size=4)
  with pytest.raises(
    alone.UnlikeError, match='differ in batch_size: 8 then, 4'
  ):
    joining.prepare([planned[0].config, other], [tmp_path, tmp_path])
