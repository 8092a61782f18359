"""What a run that has diverged says, and where the same command goes on."""

import json
import types

import jax.numpy as jnp
import pytest

from vidpetl.experiment import state as state_lib
from vidpetl.recipes import defaults
from vidpetl.training import (
  candidate,
  checkpoint,
  divergence,
  ending,
  pending,
  reporting,
)


@pytest.fixture
def saved(tmp_path):
  """Checkpoints of steps 2, 4 and 6."""
  made = checkpoint.Checkpoints(str(tmp_path), keep=9)
  for step in (2, 4, 6):
    made.save(_state(step), step, {'frozen': ''})
  made.wait()
  yield made
  made.close()


def _state(step):
  leaves = {name: {'a': jnp.ones(2)} for name in ('params', 'frozen')}
  rest = {name: {} for name in ('batch_stats', 'opt_state', 'task_state')}
  return state_lib.TrainState(step=jnp.int32(step), **leaves, **rest)


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


def test_where_the_best_checkpoint_is_damaged_the_next_best_is_reported(
  saved, tmp_path
):
  """The same whenever it is asked for, until a copy is put in its place."""
  scores = {2: 0.9, 4: 0.5, 5: 0.7, 6: 0.1}
  evaluations = reporting.Evaluations(tmp_path, 0, write=False)
  for step, score in scores.items():
    evaluations.add(step, {'a': {'metrics': {'top1': score}}})
  choose = lambda: evaluations.choose(
    'best', 'a/top1', 'test', saved.steps() if saved.lost() else None
  )
  state = _state(6)
  again = lambda: ending.chosen(choose, 6, state, saved, said.append)
  said = []
  assert again()[0].step == 2 and not said
  meta = saved.folder / '2' / 'meta' / 'metadata'
  meta.write_bytes(meta.read_bytes()[:20])
  for _ in range(2):
    choice, found = again()
    assert (choice.step, int(found.step)) == (4, 4)
    assert len(said) == 1 and 'checkpoints/2 is damaged' in said[0]
    assert 'that of step 2 was damaged' in reporting.words([choice.record()])


def test_a_writer_that_fails_costs_no_checkpoint():
  def flush():
    raise OSError('no space for curves')

  saved = []
  run = types.SimpleNamespace(
    logbook=types.SimpleNamespace(writer=types.SimpleNamespace(flush=flush)),
    checkpoints=types.SimpleNamespace(save=lambda *told: saved.append(told)),
    meta={'steps': 9},
    waiting=types.SimpleNamespace(record=lambda: {'a': 1}),
  )
  with pytest.raises(OSError, match='for curves'):
    candidate.Candidate.save(run, 'state', 4)
  assert saved == [('state', 4, {'steps': 9, 'a': 1})]


def test_losses_that_are_not_logged_yet_come_back():
  config = defaults.get_config()
  run = types.SimpleNamespace(config=config, ids=lambda step: ['clip.mp4'])
  whole = pending.Pending(run, 0)
  for step in range(3):
    whole.add(step, 'a', {'loss': jnp.float32(0.1 * step)})
  whole.check()
  resumed = pending.Pending(run, 3, json.loads(json.dumps(whole.record())))
  for each in (whole, resumed):
    each.add(3, 'a', {'loss': jnp.float32(0.7)})
  assert resumed.take() == whole.take()
  resumed.add(4, 'a', {'loss': jnp.float32(jnp.nan)})
  with pytest.raises(divergence.DivergedError, match=r'Its clips: clip\.mp4'):
    resumed.check()
