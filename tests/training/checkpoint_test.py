import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.experiment import state as state_lib
from vidpetl.parameters import storage
from vidpetl.training import checkpoint


def state(value=1.0):
  return state_lib.TrainState(
    step=jnp.int32(3),
    params={'a': jnp.full((2, 2), value)},
    frozen={'b': jnp.ones(4)},
    batch_stats={},
    opt_state=({'a': jnp.zeros((2, 2))}, ()),
    task_state={},
  )


@pytest.fixture
def open_checkpoints(tmp_path):
  opened = []

  def make(**options):
    opened.append(checkpoint.Checkpoints(str(tmp_path), **options))
    return opened[-1]

  yield make
  for c in opened:
    c.close()


def test_what_is_saved_comes_back_and_frozen_is_not_in_it(
  open_checkpoints, tmp_path
):
  saved = open_checkpoints()
  saved.save(state(5.0), 3, {'frozen': 'hash', 'seed': 0})
  saved.wait()
  restored = saved.restore(3, state(1.0))
  np.testing.assert_array_equal(restored.params['a'], np.full((2, 2), 5.0))
  assert saved.meta(3) == {'frozen': 'hash', 'seed': 0}
  with pytest.raises(ValueError, match='frozen'):
    storage.load_arrays(str(tmp_path))


def test_latest_and_best_are_kept(open_checkpoints):
  saved = open_checkpoints(keep=2, best='x/mAP')
  for step, score in enumerate([None, 0.9, 0.1, None, None]):
    saved.save(state(step), step, {'frozen': ''})
    if score is not None:
      saved.score(step, {'x/mAP': score})
  saved.wait()
  assert saved.best() == 1
  assert set(saved._manager.all_steps()) == {1, 3, 4}
  assert [saved.find(w, 'f') for w in ('latest', 'best', '3')] == [4, 1, 3]
  with pytest.raises(ValueError, match=r'f=2: .* has those of steps 1, 3, 4'):
    saved.find('2', 'f')
  with pytest.raises(ValueError, match="f=last is not 'latest', 'best' or"):
    saved.find('last', 'f')


@pytest.mark.parametrize(
  'scores, best, kept',
  [
    ([0.5, math.nan, math.nan, math.nan], 0, {0, 3}),
    ([math.nan, 0.3, 0.2, math.nan], 1, {1, 3}),
    ([math.nan, math.nan], None, {1}),
    ([0.5, 0.5, 0.1, 0.1], 1, {1, 3}),
  ],
)
def test_what_is_no_number_is_never_the_best(
  open_checkpoints, scores, best, kept
):
  """And takes no checkpoint's place; of equal ones the latest is the best."""
  saved = open_checkpoints(keep=1, best='q/spearman')
  for step, score in enumerate(scores):
    saved.save(state(step), step, {'frozen': ''})
    saved.score(step, {'q/spearman': score})
  saved.wait()
  assert saved.best() == best
  assert set(saved._manager.all_steps()) >= kept
  assert len(saved._manager.all_steps()) <= 2


def test_the_best_must_be_by_something_that_is_measured(open_checkpoints):
  saved = open_checkpoints(best='ava/map')
  with pytest.raises(ValueError, match="'ava/map'; measured are ava/mAP"):
    saved.score(1, {'ava/mAP': 0.5})


def test_parameters_for_another_run(open_checkpoints, tmp_path):
  saved = open_checkpoints()
  saved.save(state(7.0), 3, {'frozen': ''})
  saved.wait()
  for path in (tmp_path, tmp_path / 'checkpoints' / '3'):
    np.testing.assert_array_equal(
      storage.load_arrays(str(path))['a'], np.full((2, 2), 7.0)
    )
  with pytest.raises(ValueError, match='is neither a working directory'):
    storage.load_arrays(str(tmp_path / 'nothing'))


def test_hash_sees_values_and_paths():
  a, b = {'a': jnp.ones(2)}, {'b': jnp.ones(2)}
  assert storage.tree_hash({}) == ''
  assert storage.tree_hash(a) == storage.tree_hash({'a': np.ones(2, 'f')})
  hashes = {storage.tree_hash(t) for t in (a, b, jax.tree.map(jnp.sin, a))}
  assert len(hashes) == 3
