"""How a run starts, to train and to evaluate alike."""

import json
import shutil

import experiments
import jax
import numpy as np
import packages
import pytest

from vidpetl.experiment import adapters, experiment, initialise, published, spec
from vidpetl.parameters import package, storage, variables
from vidpetl.tasks import task as task_lib
from vidpetl.training import damage, loop
from vidpetl.training import run as run_lib


def info(*names):
  """Data of some classes, which need not be there."""
  return experiment.examples.Info(
    'own', 'train', 'classification', len(names), dict(enumerate(names))
  )


def build(*names, **init):
  """An experiment on data of these classes, evaluated on as many."""
  config = packages.make_config('clip', 'head')
  config.seed, config.init = 0, {**initialise_fields(), **init}
  config.tasks.own.eval = {'source': 'folder'}
  return experiment.build(config, {'own': info(*names)})


def initialise_fields():
  fields = ('path', 'family', 'entry', 'inflate', 'adapter')
  return {
    **dict.fromkeys(fields, ''),
    'skip': ('^heads_',),
    'grid': (),
    'window': (),
  }


def fresh(built):
  draw = lambda leaf: np.zeros(leaf.shape, leaf.dtype)
  return jax.tree.map(draw, built.variables)


@pytest.fixture
def write(tmp_path):
  """Returns a function that writes a whole model with labels of its head."""

  def write(labels=(), head=True):
    _, params = packages.trained(packages.make_config('clip', 'head'))
    kept = {k: v for k, v in params.items() if head or 'heads' not in k}
    said = {'labels': {'own': dict(map(str_first, enumerate(labels)))}}
    path = str(tmp_path / 'weights.safetensors')
    storage.save_arrays(path, kept, published.to_metadata(said))
    return path, params

  return write


def str_first(pair):
  return str(pair[0]), pair[1]


def head_of(started):
  return variables.flatten(started.variables)[
    'heads_own/output_projection/kernel'
  ]


def test_an_evaluation_takes_the_head_that_there_is_and_training_does_not(
  write,
):
  path, params = write('abc')
  built = build('a', 'b', 'c', path=path)
  kernel = params['heads_own/output_projection/kernel']
  evaluated = initialise.start(fresh(built), built, evaluation=True)
  np.testing.assert_array_equal(head_of(evaluated), kernel)
  assert not np.any(head_of(initialise.start(fresh(built), built)))
  built = build('a', 'b', 'c', path=path, skip=())
  taken = initialise.start(fresh(built), built)
  np.testing.assert_array_equal(head_of(taken), kernel)


def test_an_evaluation_of_a_head_that_nothing_trained_is_refused(write):
  path, _ = write(head=False)
  for init in ({'path': path}, {}):
    built = build('a', 'b', 'c', **init)
    initialise.start(fresh(built), built)
    with pytest.raises(ValueError, match='nothing has trained the head of own'):
      initialise.start(fresh(built), built, evaluation=True)


def test_outputs_are_put_into_the_order_of_the_data(write):
  path, params = write('cab')
  built = build('a', 'b', 'c', path=path)
  started = initialise.start(fresh(built), built, evaluation=True)
  kernel = params['heads_own/output_projection/kernel']
  np.testing.assert_array_equal(head_of(started), kernel[:, [1, 2, 0]])
  assert 'another order' in started.report.notes[0]


def test_a_head_of_other_labels_is_refused_where_it_is_taken(write):
  path, _ = write('abx')
  built = build('a', 'b', 'c', path=path)
  initialise.start(fresh(built), built)
  with pytest.raises(ValueError, match=r'(?s)alone has 2 x; .* 2 c.*init.skip'):
    initialise.start(fresh(built), built, evaluation=True)


def test_a_head_without_labels_is_taken_and_that_is_said(write):
  path, _ = write()
  built = build('a', 'b', 'c', path=path)
  started = initialise.start(fresh(built), built, evaluation=True)
  assert 'does not say what the outputs' in started.report.notes[0]


def pack(tmp_path, *labels):
  """A package on a backbone of zeros, with a head of these labels."""
  built = build(*labels)
  arrays = {k: np.zeros(v.shape, v.dtype) for k, v in flat(built).items()}
  arrays['heads_own/output_projection/bias'][...] = range(len(labels))
  infos = {'own': info(*labels)}
  config = built.config.copy_and_resolve_references()
  described = spec.describe(config, infos, {'own': {}})
  packed = adapters.pack(described, arrays, built.group_of)
  package.save(tmp_path / 'adapter', packed)
  return str(tmp_path / 'adapter')


def flat(built):
  return variables.flatten(built.variables)


def bias_of(started):
  return variables.flatten(started.variables)[
    'heads_own/output_projection/bias'
  ].tolist()


def test_labels_of_a_package_are_compared(tmp_path):
  folder = pack(tmp_path, 'a', 'b', 'c')
  start = lambda *names, **how: initialise.start(
    fresh(built := build(*names, adapter=folder)), built, **how
  )
  assert bias_of(start('a', 'b', 'c', evaluation=True)) == [0, 1, 2]
  assert bias_of(start('c', 'b', 'a', evaluation=True)) == [2, 1, 0]
  with pytest.raises(
    ValueError, match=r'alone has 0 a, .*; the data alone has'
  ):
    start('x_c', 'y_b', 'z_a', evaluation=True)
  trained = start('x_c', 'y_b', 'z_a')
  assert bias_of(trained) == [0, 0, 0]
  assert 'stays as it is drawn' in trained.notes[0]


def test_a_task_says_what_its_outputs_mean_if_they_are_classes():
  assert build('a', 'b', 'c').labels == {'own': {0: 'a', 1: 'b', 2: 'c'}}
  config = packages.make_config('clip', 'head')
  config.tasks.own.task = 'pretext.vspp'
  config.tasks.own.clip.update(sampling='vspp', frames=2)
  kind = task_lib.module('pretext.vspp').KIND
  assert kind == 'unlabelled'
  assert experiment.build(config, {'own': info('a', 'b', 'c')}).labels == {}


@pytest.fixture(scope='module')
def make(world):
  """Returns a tiny experiment on kinetics400, with fields replaced."""

  def make(**fields):
    config = experiments.shrink(
      experiments.load_config('cofinetune_ava', 'demo'), world, ['kinetics400']
    )
    config.unlock()
    config.steps = 1
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


@pytest.fixture(scope='module')
def trained(make, tmp_path_factory):
  """The working directory of a run of a step."""
  workdir = str(tmp_path_factory.mktemp('trained'))
  loop.run(make(), workdir)
  return workdir


def test_an_evaluation_says_and_keeps_what_training_does(
  make, trained, tmp_path, capfd
):
  """Another normalisation; where every array came from; other resolutions."""
  fields = {
    'init.path': trained,
    'mode': 'eval',
    'eval_checkpoint': 'none',
    'tasks.kinetics400.augment.mean': (0.1, 0.1, 0.1),
    'tasks.kinetics400.clip.resolution': 48,
  }
  results = loop.run(make(**fields), str(tmp_path))
  said = capfd.readouterr().err
  assert "kinetics400: pixels have the weights' mean (0.5, 0.5, 0.5)" in said
  kept = (tmp_path / 'init_report.txt').read_text()
  assert 'heads_kinetics400/output_projection/kernel' in kept
  assert '2x2 to 3x3 tokens' in kept
  assert results['reported']['how'] == 'checkpoint'
  assert (tmp_path / 'results.eval.json').exists()
  assert not (tmp_path / 'results.json').exists()


def test_a_run_is_evaluated_on_no_other_classes(make, trained, tmp_path):
  workdir = str(tmp_path / 'again')
  shutil.copytree(trained, workdir)
  meta = storage.checkpoint_folder(workdir) / 'meta' / 'metadata'
  saved = json.loads(meta.read_text())
  ours = run_lib.prepare(make()).experiment.labels['kinetics400']
  labels = saved['labels']['kinetics400']
  assert labels == {str(i): name for i, name in ours.items()}
  saved['labels']['kinetics400'] = {
    str(len(labels) - 1 - int(i)): name for i, name in labels.items()
  }
  del saved[damage.DIGEST]
  meta.write_text(json.dumps(damage.sign(saved)))
  with pytest.raises(ValueError, match='in another order'):
    loop.run(make(mode='eval'), workdir)
