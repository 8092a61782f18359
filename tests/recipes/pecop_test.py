"""PECoP's two stages, one after the other, on the tiny world's dives."""

import math

import experiments
import numpy as np
import pytest

from vidpetl.experiment import configure, experiment
from vidpetl.parameters import package, storage, variables
from vidpetl.recipes import pecop
from vidpetl.tasks import task as task_lib
from vidpetl.training import loop
from vidpetl.training import run as run_lib


@pytest.fixture(scope='module')
def general(world, tmp_path_factory):
  """A working directory with the weights that stage 1 starts from."""
  workdir = str(tmp_path_factory.mktemp('general'))
  loop.run(config(world, 'pecop_pretrain', 'method=dom_g'), workdir)
  return workdir


def config(world, name, argument):
  loaded = experiments.load_config(name, f'backbone=c3d,{argument}')
  return experiments.shrink(loaded, world)


def started(world, argument):
  """Returns the state with which stage 2 starts, by name."""
  run = run_lib.prepare(config(world, 'pecop_aqa', f'head=usdl,{argument}'))
  state, _ = run.init_state()
  return {
    k: np.asarray(v) for k, v in variables.flatten(state.variables).items()
  }


@pytest.mark.parametrize('backbone', pecop.BACKBONES)
def test_adapters_fit_the_demos_backbones(backbone):
  demo = experiments.load_config('pecop_pretrain', f'demo,backbone={backbone}')
  built = experiment.build(demo, experiment.infos_from_config(demo))
  assert any('/site_' in path for path in built.group_of)


@pytest.mark.parametrize(
  'argument, parts',
  [('', 4), ('parts=3', 3), ('demo', 2), ('demo,parts=3', 3)],
)
def test_parts_of_vspp_are_those_asked_for(argument, parts):
  loaded = experiments.load_config('pecop_pretrain', argument)
  assert loaded.tasks.mtl_aqa.clip.parts == parts


@pytest.mark.parametrize(
  'argument, rates, natural',
  [
    ('', 5, 1),
    ('dataset=pd4t,task=gait', 5, 3),
    ('dataset=pd4t,task=gait,natural=1', 5, 1),
    ('dataset=pd4t,task=gait,demo', 5, 1),
    ('rates=4', 4, 1),
  ],
)
def test_speeds_of_vspp(argument, rates, natural):
  loaded = experiments.load_config('pecop_pretrain', argument)
  (task,) = loaded.tasks.values()
  assert (task.clip.rates, task.clip.natural) == (rates, natural)


@pytest.mark.parametrize(
  'argument, batch, accumulate, decay, report',
  [
    ('head=core', 2, 2, 0.0, 'best'),
    ('head=usdl', 4, 1, 0.0, 'best'),
    ('head=musdl', 4, 1, 1e-5, 'best'),
    ('head=musdl,dataset=jigsaws,task=suturing', 4, 1, 0.0, 'mean10'),
    ('head=core,dataset=jigsaws,task=suturing', 2, 2, 0.0, 'best'),
    ('head=tsa,dataset=finediving', 8, 1, 0.0, 'best'),
    ('head=core,report=last', 2, 2, 0.0, 'last'),
    ('head=core,demo', 16, 2, 0.0, 'last'),
  ],
)
def test_heads_train_as_their_code_does(
  argument, batch, accumulate, decay, report
):
  loaded = experiments.load_config('pecop_aqa', argument)
  assert (loaded.batch_size, loaded.accumulate) == (batch, accumulate)
  for name in ('heads', 'backbone'):
    assert loaded.optimizer.groups[name].weight_decay == decay
    assert loaded.optimizer.groups[name].decay_filter == '.*'
  assert (loaded.report, loaded.dtype) == (report, 'float32')
  assert (loaded.eval_every_epochs == 1.0) == (report != 'last')


def test_size_of_adapters_is_an_argument():
  for name, more in (('pecop_pretrain', ''), ('pecop_aqa', 'adapter=x,')):
    given = f'{more}reduction=8,kernel=5'
    (entry,) = experiments.load_config(name, given).petl
    assert (entry['reduction'], entry['kernel']) == (8, 5)
    (entry,) = experiments.load_config(name, more.rstrip(',')).petl
    assert (entry['reduction'], entry['kernel']) == (4, 3)


def test_tasks_know_what_the_run_does_with_their_data(world):
  loaded = config(world, 'pecop_aqa', 'head=tsa,dataset=finediving')
  run = run_lib.prepare(loaded)
  plan = run.experiment.tasks['finediving'].plan
  assert plan.examples == len(run.train['finediving'])
  assert plan.epochs == pytest.approx(loaded.steps * 8 / plan.examples)
  assert plan.batch == 8
  with loaded.unlocked():
    loaded.steps, loaded.epochs = 0, 20.0
  run = run_lib.prepare(loaded)
  assert run.experiment.tasks['finediving'].plan.epochs == 20.0


def test_tsa_can_be_set_from_the_command_line():
  loaded = experiments.load_config('pecop_aqa', 'head=tsa,dataset=finediving')
  asked = {
    'tasks.finediving.scramble': 'true',
    'tasks.finediving.truth_share': '0.5',
  }
  task = configure.configure(loaded, asked).tasks.finediving
  assert task.scramble and task.truth_share == 0.5
  # Of runs that had a number of epochs.
  of_before = {**task.to_dict(), 'truth_epochs': 51}
  assert task_lib.fitting(of_before) == task_lib.fitting(task.to_dict())


@pytest.mark.slow
def test_adapters_and_statistics_go_on_to_stage_two(world, general, tmp_path):
  first = config(world, 'pecop_pretrain', f'init={general}')
  loop.run(first, str(tmp_path))
  packed = package.load(tmp_path / 'adapter')
  assert packed.techniques == ['adapter3d']
  now = started(world, f'init={general},adapter={tmp_path}/adapter')
  before = storage.load_arrays(general)
  for name, value in now.items():
    if name.startswith('heads_'):
      continue
    # Adapters and all statistics from stage 1, the network from before it.
    source = packed.params if name in packed.params else before
    np.testing.assert_array_equal(value, source[name], err_msg=name)
  drifted = [k for k in before if k.startswith('batch_stats/')]
  assert max(np.abs(now[k] - before[k]).max() for k in drifted) > 1e-4


@pytest.mark.slow
def test_tuned_norms_go_on_without_adapters(world, general, tmp_path):
  first = config(world, 'pecop_pretrain', f'method=hpt_bn,init={general}')
  loop.run(first, str(tmp_path))
  packed = package.load(tmp_path / 'adapter')
  trained = {k for k in packed.params if k.startswith('backbone/')}
  assert trained and all('/norm/' in name for name in trained)
  argument = f'init={general},site=none,adapter={tmp_path}/adapter'
  now = started(world, argument)
  for name in trained:
    np.testing.assert_array_equal(now[name], packed.params[name])


@pytest.mark.slow
def test_everything_goes_on_as_a_run(world, general, tmp_path):
  loop.run(
    config(world, 'pecop_pretrain', f'method=hpt,init={general}'),
    str(tmp_path),
  )
  now = started(world, f'init={tmp_path}')
  saved = storage.load_arrays(str(tmp_path))
  for name in filter(lambda name: not name.startswith('heads_'), now):
    np.testing.assert_array_equal(now[name], saved[name])


@pytest.mark.slow
def test_a_package_of_core_has_its_groups(world, general, tmp_path):
  """Without them, another process would score with other leaves."""
  tuned = config(world, 'pecop_aqa', f'head=core,init={general}')
  tuned.unlock()
  tuned.trainable = (('^heads_', 'heads'), ('.*', 'frozen'))
  tuned.optimizer.groups = {'heads': {}}
  loop.run(tuned.lock(), str(tmp_path))
  saved = package.load(tmp_path / 'adapter').config['tasks']['mtl_aqa']
  run = run_lib.prepare(tuned)
  assert saved['options']['edges'] == list(
    run.experiment.tasks['mtl_aqa'].edges
  )


@pytest.mark.parametrize(
  'argument, trained, total',
  [
    # Adapters of 1,109,068 in I3D of 12,287,264: Table 2's ~1M and ~13M.
    ('method=pecop', 1_109_068, 13_396_332),
    ('method=hpt', 12_287_264, 12_287_264),
    ('method=hpt_bn', 14_560, 12_287_264),
    ('method=dom_s', 12_287_264, 12_287_264),
    # One adapter in each residual block.
    ('method=pecop,backbone=r3d', 230_240, 33_203_904 + 230_240),
  ],
)
def test_what_stage_one_trains(argument, trained, total):
  loaded = experiments.load_config('pecop_pretrain', argument)
  infos = experiment.infos_from_config(loaded)
  counts = experiment.build(loaded, infos).counts()
  width = 512 if 'r3d' in argument else 1024
  heads = (4 + 4) * (width + 1)
  assert counts == {
    'total': total + heads,
    'trained': trained + heads,
    'trained_heads': heads,
  }


def test_size_of_what_stage_one_leaves():
  """Table 2: ~4 MB with adapters, ~54 MB of the whole."""
  loaded = experiments.load_config('pecop_pretrain', '')
  built = experiment.build(loaded, experiment.infos_from_config(loaded))
  sizes = {
    name: 4 * math.prod(x.shape)
    for name, x in variables.flatten(built.variables).items()
  }
  packed = sum(
    size
    for name, size in sizes.items()
    if package.belongs(name, built.group_of.get(name) != 'frozen')
  )
  assert packed == 4 * (1_109_068 + 8 * 1025 + 14_560) == 4_527_312
  params = {k: v for k, v in sizes.items() if not variables.is_statistic(k)}
  backbone = sum(v for k, v in params.items() if k.startswith('backbone/'))
  assert backbone == 53_585_328
