"""A cache is filled: whatever comes between, with what would be made anew."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from vidpetl.backbones import features, kept
from vidpetl.caching import key, shards
from vidpetl.data import augment, pipeline
from vidpetl.training import filling
from vidpetl.training import run as run_lib

FROZEN = (('backbone/.*', 'frozen'), ('.*', 'all'))


@pytest.fixture
def make(make_config, tmp_path):
  """Returns a function that makes a run with a cache, and its first state."""

  def make(**fields):
    config = make_config('kinetics400')
    config.unlock()
    config.cache = {'path': str(tmp_path / 'cache'), 'views': 2}
    config.trainable = FROZEN
    config.backbone.stochastic_depth = 0.0
    config.update_from_flattened_dict(fields)
    run = run_lib.prepare(config.lock())
    with jax.set_mesh(run.mesh):
      return run, run.init_state()[0]

  return make


def fill(run, state):
  """Fills a cache; returns what was said."""
  said = []
  with jax.set_mesh(run.mesh):
    filling.fill(run, state, said.append)
  return said


def fresh(run, state, batch, at):
  """Returns features of a training batch, encoded by the model itself."""
  task = run.experiment.tasks['kinetics400']
  inputs = augment.preprocess(batch, task.augment, train=True)
  features, _ = run.experiment.model.apply(
    state.variables, inputs['video'], inputs, task.name, False, method='on'
  )
  return np.asarray(features.summary[at], np.float32)


def test_it_goes_on_where_it_stopped_and_has_what_is_made_anew(
  make, monkeypatch
):
  run, state = make(**{'cache.dtype': 'float32'})
  count, added = len(run.train['kinetics400']), []
  add = shards.Writer.add

  def add_some(self, name, arrays):
    if len(added) == 5:
      raise KeyboardInterrupt
    added.append(name)
    add(self, name, arrays)

  monkeypatch.setattr(shards.Writer, 'add', add_some)
  with pytest.raises(KeyboardInterrupt):
    fill(run, state)
  monkeypatch.undo()
  said = fill(run, state)
  assert any(f': {2 * count - 5} clips (' in line for line in said)
  assert fill(run, state) == []  # There is nothing left to do.
  _check_epochs(run, state, count)


def _check_epochs(run, state, count):
  """Asserts that epochs show two views in turn, and what they show."""
  run.config.unlock().batch_size = count
  batches = run.train_batches(0)['kinetics400']
  by_epoch = [next(batches) for _ in range(3)]
  orders = [np.argsort(batch['index']) for batch in by_epoch]
  first, second, third = (
    batch['features/summary'][order] for batch, order in zip(by_epoch, orders)
  )
  np.testing.assert_array_equal(first, third)
  assert not np.allclose(first, second)
  part = run.cache.parts['kinetics400', True]
  source = run.train['kinetics400']
  seeds = key.entries(source, part).seeds[0]
  (videos,) = pipeline.chosen_batches(
    source, part.spec, np.arange(3), seeds[:3], batch_size=3
  )
  made = fresh(run, state, videos, slice(0, 3))
  np.testing.assert_allclose(made, first[:3], rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(
    by_epoch[0]['label'][orders[0]][:3], videos['label']
  )


def test_what_is_not_what_would_be_made_is_told(make):
  run, state = make()
  fill(run, state)
  (path,) = {
    p.parent
    for p in pathlib.Path(run.config.cache.path).glob('*/*.entries')
    if '"train": true' in (p.parent / 'about.json').read_text()
  }
  part = run.cache.parts['kinetics400', True]
  folder = shards.Folder(path, part.layout)
  entries = key.entries(run.train['kinetics400'], part).names
  arrays = folder.read(folder.find(entries[0]))
  arrays['features/summary'] = -arrays['features/summary']
  with shards.Writer(path, folder.form) as writer:
    for i, name in enumerate(entries[0]):
      writer.add(name.tobytes(), {k: x[i] for k, x in arrays.items()})
  with pytest.raises(ValueError, match=f'{path} is not what.*differs by 200'):
    fill(run, state)


def test_what_does_not_fit_on_the_disk_is_refused(make, monkeypatch):
  run, state = make()
  monkeypatch.setattr(filling, '_free', lambda path: 10)
  with pytest.raises(ValueError, match='; 10 B are free'):
    fill(run, state)


def test_other_trunks_framings_and_data_have_other_names(make):
  run, state = make()
  part = run.cache.parts['kinetics400', True]
  about = lambda part=part, trunk='a', config=run.config: key.folder(
    key.about(config, trunk, part)
  )
  other = run.experiment.tasks['kinetics400'].eval_clip
  changed = dataclasses.replace(part, about={**part.about, 'clip': str(other)})
  assert about() == about() != about(changed)
  moved = jax.tree.map(lambda x: x + 1e-3, state.variables)
  assert about(trunk=key.of_trunk(moved)) != about(
    trunk=key.of_trunk(state.variables)
  )
  source = run.train['kinetics400']
  names = key.entries(source, part).names
  assert len({name.tobytes() for name in names.reshape(-1, key.SIZE)}) == (
    2 * len(source)
  )
  # A fold shares what it has in common with the whole.
  rows = np.array([2, 0])
  some = key.entries(source.take(rows), part).names
  np.testing.assert_array_equal(some, names[:, rows])


def test_int8_has_a_scale_for_each_token():
  x = np.random.default_rng(0).normal(size=(2, 3, 64)).astype(np.float32)
  x[1] *= 100
  x[0, 0] = 0
  packed = kept.pack(features.Features(None, x), 'int8')
  assert packed['features/summary'].dtype == np.int8
  assert packed['scales/summary'].shape == (2, 3, 1)
  found = kept.unpack(packed).summary
  worst = np.abs(x).max(-1, keepdims=True) / 254
  assert (np.abs(found - x) <= worst * 1.001).all()
