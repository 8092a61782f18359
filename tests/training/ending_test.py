"""What a run that has diverged says, and where the same command goes on."""

import types

import jax.numpy as jnp
import pytest

from vidpetl.experiment import state as state_lib
from vidpetl.recipes import defaults
from vidpetl.training import checkpoint, divergence, ending, pending


@pytest.fixture
def saved(tmp_path):
  """Checkpoints of steps 2, 4 and 6."""
  made = checkpoint.Checkpoints(str(tmp_path), keep=9)
  leaves = {name: {'a': jnp.ones(2)} for name in ('params', 'frozen')}
  rest = {name: {} for name in ('batch_stats', 'opt_state', 'task_state')}
  for step in (2, 4, 6):
    state = state_lib.TrainState(step=jnp.int32(step), **leaves, **rest)
    made.save(state, step, {'frozen': ''})
  made.wait()
  yield made
  made.close()


@pytest.mark.parametrize(
  'first, good', [(7, 6), (6, 4), (3, 2)], ids=lambda x: str(x)
)
def test_the_last_sound_checkpoint_is_named_and_is_the_latest(
  saved, first, good
):
  error = divergence.DivergedError('The loss is nan.', first)
  told = str(ending.diverged(error, saved, defaults.get_config()))
  assert saved.latest() == good
  assert f'{saved.folder}/{good} is good' in told
  assert '--config.seed=1 --config.checkpoint.accept=seed' in told
  assert (
    '--config.optimizer.learning_rate=0.1 '
    '--config.checkpoint.accept=optimizer.learning_rate' in told
  )
  aside = saved.folder.with_name('checkpoints.diverged')
  moved = {int(p.name) for p in aside.iterdir()} if aside.exists() else set()
  assert moved == {step for step in (2, 4, 6) if step >= first}


def test_losses_that_are_not_logged_yet_come_back():
  config = defaults.get_config()
  run = types.SimpleNamespace(config=config, ids=lambda step: ['clip.mp4'])
  whole = pending.Pending(run, 0)
  for step in range(3):
    whole.add(step, 'a', {'loss': jnp.float32(0.1 * step)})
  whole.check()
  resumed = pending.Pending(run, 3, whole.rows())
  for each in (whole, resumed):
    each.add(3, 'a', {'loss': jnp.float32(0.7)})
  assert resumed.take() == whole.take()
  resumed.add(4, 'a', {'loss': jnp.float32(jnp.nan)})
  with pytest.raises(divergence.DivergedError, match=r'Its clips: clip\.mp4'):
    resumed.check()
