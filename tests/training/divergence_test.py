"""Which losses are those of a model that has diverged."""

import numpy as np
import pytest

from vidpetl.training import divergence


def losses(values, factor=10.0):
  """Losses of a task that has had these; values may be an int of noise."""
  made = divergence.Losses(factor)
  for step, value in enumerate(values):
    made.add(step, 'a', {'loss': float(value), 'grad_norm': 1.0})
  return made


def falling(count=60):
  noise = np.random.default_rng(0).gamma(2.0, 0.5, count)
  return 5 * np.exp(-np.arange(count) / 10) + 0.1 * noise


def test_a_loss_that_is_no_number_stops_at_its_own_state():
  made = losses(falling())
  with pytest.raises(divergence.DivergedError, match='nan at step 60') as error:
    made.add(60, 'a', {'loss': np.nan, 'grad_norm': 1.0})
  assert error.value.first == 60


def test_the_states_of_huge_losses_before_it_have_diverged_too():
  made = losses([3.0, 2.5, 1e20, 1e30])
  with pytest.raises(divergence.DivergedError) as error:
    made.add(4, 'a', {'loss': np.inf})
  assert error.value.first == 2


def test_a_gradient_that_is_no_number_spoils_the_state_behind_its_step():
  with pytest.raises(divergence.DivergedError, match='norm of the') as error:
    losses([2.0]).add(1, 'a', {'loss': 2.0, 'grad_norm': np.inf})
  assert error.value.first == 2


def test_losses_far_above_their_history_are_a_rise_until_they_fall():
  made = losses([*falling(), *[50.0] * 30])
  rise = made.rise()
  assert 57 < rise.first <= 62
  assert 'checkpoint.diverged=10' in str(rise)
  for step in range(90, 95):
    made.add(step, 'a', {'loss': 0.2})
  assert made.rise() is None
  assert losses([*falling(), *[50.0] * 30], factor=0.0).rise() is None


@pytest.mark.parametrize(
  'values',
  [
    falling(),
    [*falling(), 90.0, 0.1, 0.2, 80.0, 0.1],  # single batches
    [*[5.0] * 30, *[0.0] * 100, 0.3, 0.3, 0.2, 0.4, 0.2],
    [-4.0 - i / 10 for i in range(50)],
    [1.0, *[90.0] * 10],  # too few to judge by
  ],
)
def test_noise_and_single_batches_are_none(values):
  assert losses(values).rise() is None
