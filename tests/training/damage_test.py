"""A checkpoint comes back as it was saved, or is known to be damaged."""

import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.experiment import state as state_lib
from vidpetl.parameters import storage, sums
from vidpetl.training import checkpoint, damage


def state(value):
  return state_lib.TrainState(
    step=jnp.int32(3),
    params={
      'a': jnp.arange(400.0).reshape(20, 20) * value,
      'b': jnp.full(3, value, jnp.bfloat16),
    },
    frozen={},
    batch_stats={},
    opt_state=({'a': jnp.zeros((20, 20))}, ()),
    task_state={},
  )


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  saved = checkpoint.Checkpoints(str(folder))
  saved.save(state(2.0), 3, {'frozen': '', 'seed': 7})
  saved.wait()
  yield saved
  saved.close()


def flip(content):
  middle = len(content) // 2
  return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


DAMAGES = {
  'cut': lambda content: content[: len(content) // 2],
  'zeros': lambda content: bytes(len(content)),
  'emptied': lambda content: b'',
  'flipped': flip,
  'gone': lambda content: None,
}


@pytest.mark.parametrize('kind', DAMAGES)
def test_no_damage_of_any_file_gives_another_state(saved, kind, capfd):
  """Files of which nothing depends may be damaged."""
  folder = pathlib.Path(saved.folder, '3')
  files = [p for p in folder.rglob('*') if p.is_file()]
  found = set()
  for path in files:
    content = path.read_bytes()
    damaged = DAMAGES[kind](content)
    path.unlink()
    if damaged is not None:
      path.write_bytes(damaged)
    try:
      meta, restored = saved.meta(3), saved.restore(3, state(0.0))
      assert meta == {'frozen': '', 'seed': 7}
      np.testing.assert_array_equal(
        restored.params['a'], state(2.0).params['a']
      )
    except damage.DamagedError as error:
      assert str(folder) in str(error)
      found.add(path.name)
    path.write_bytes(content)
  assert 'metadata' in found and len(found) > 1
  # Libraries log no tracebacks of it.
  assert 'Traceback' not in capfd.readouterr().err


def test_a_state_of_other_arrays_is_another_run_and_not_damaged(saved):
  other = state(2.0).replace(opt_state=())
  with pytest.raises(ValueError, match='another model or optimizer') as error:
    saved.restore(3, other)
  assert 'opt_state/0/a: float32[20,20] there, none in the run' in str(
    error.value
  )


def test_a_damaged_checkpoint_is_no_model_to_start_from(saved):
  files = [p for p in (saved.folder / '3' / 'state').iterdir() if p.is_dir()]
  data = [p for folder in files for p in folder.iterdir() if p.is_file()]
  path = max(data, key=lambda p: p.stat().length)
  content = path.read_bytes()
  path.write_bytes(content[:-20])
  with pytest.raises(sums.DamagedError, match=f'{saved.folder}/3'):
    storage.load_changing(str(saved.folder.parent))
  path.write_bytes(content)
  assert set(storage.load_changing(str(saved.folder.parent))) == {'a', 'b'}


def test_values_that_decode_and_are_others_are_damaged(saved, monkeypatch):
  monkeypatch.setattr(
    damage.checksums, 'of', lambda tree: {'params/a': 'float32[20,20] 0'}
  )
  with pytest.raises(damage.DamagedError, match='other values than were saved'):
    saved.restore(3, state(0.0))


def test_a_full_machine_is_no_damage(saved, monkeypatch):
  def fail(*arguments, **options):
    raise MemoryError('of 3 GB')

  monkeypatch.setattr(saved._manager, 'restore', fail)
  with pytest.raises(MemoryError):
    saved.restore(3, state(0.0))


def test_one_of_before_checksums_is_restored(tmp_path, monkeypatch):
  monkeypatch.setattr(damage, 'sign', lambda meta: {'frozen': ''})
  old = checkpoint.Checkpoints(str(tmp_path))
  old.save(state(2.0), 3, {'frozen': ''})
  old.wait()
  restored = old.restore(3, state(0.0))
  np.testing.assert_array_equal(restored.params['a'], state(2.0).params['a'])
  old.close()


def test_what_is_set_aside_can_be_saved_again(tmp_path):
  made = checkpoint.Checkpoints(str(tmp_path))
  for name in ('3', '3.2'):
    made.save(state(2.0), 3, {'frozen': ''})
    made.wait()
    to = made.set_aside(3, 'damaged')
    assert to == made.folder.with_name('checkpoints.damaged') / name
    assert (to / 'state').exists() and made.steps() == []
  made.close()


def test_an_error_of_a_save_in_the_background_names_the_folder(
  tmp_path, monkeypatch
):
  made = checkpoint.Checkpoints(str(tmp_path))

  def fail():
    raise OSError(28, 'No space left on device')

  made.save(state(2.0), 3, {'frozen': ''})
  made.wait()
  monkeypatch.setattr(made._manager, 'wait_until_finished', fail)
  with pytest.raises(checkpoint.UnsavedError, match='No space left') as error:
    made.save(state(2.0), 6, {'frozen': ''})
  assert str(made.folder / '3') in str(error.value)
  monkeypatch.undo()
  made.close()
