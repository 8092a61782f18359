"""Scalars of steps that the devices may not have finished yet."""

from __future__ import annotations

import time
import types
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from vidpetl.training import divergence, shares
from vidpetl.training import run as run_lib

# Of a checkpoint's meta: what `Pending.rows` gave, and what later losses are
# judged by.
ROWS, LOSSES = FIELDS = 'since_log', 'losses'


class Entry:
  """One run's part of a scalar of several, on the devices like it."""

  def __init__(self, values: jax.Array, number: int):
    self._values, self._number = values, number

  def __float__(self) -> float:
    return float(np.asarray(self._values)[self._number])

  def is_ready(self) -> bool:
    return self._values.is_ready()


class Pending:
  """Scalars that are still on the devices, so that no step waits for them."""

  def __init__(
    self,
    run: run_lib.Run,
    start: int,
    before: Mapping[str, Any] = types.MappingProxyType({}),
  ):
    """Begins.

    Args:
      run: of which they are.
      start: its first step.
      before: what `record` gave at that step, of a run that was resumed.
    """
    self._run = run
    self._rows: list[tuple[int, str, Mapping[str, Any]]] = [
      (step, name, scalars) for step, name, scalars in before.get(ROWS, ())
    ]
    self._checked = len(self._rows)
    self._losses = divergence.Losses(
      run.config.checkpoint.diverged, before.get(LOSSES)
    )
    self._last = (start, time.perf_counter(), 0.0)
    # Counts waiting for the devices; see `shares.Shares.of`.
    self.of: shares.Counting = nullcontext

  def add(self, step: int, name: str, scalars: Mapping[str, jax.Array]) -> None:
    self._rows.append((step, name, scalars))

  def done(self) -> bool:
    """Whether the devices have finished the last step."""
    if not self._rows:
      return True
    loss = self._rows[-1][2]['loss']
    return isinstance(loss, float) or loss.is_ready()

  def check(self, done: int | None = None) -> None:
    """Raises DivergedError, naming step, task and clips.

    It does if a loss, or the norm of a gradient, is not finite.

    Args:
      done: steps that are looked at, and waited for; all by default.
    """
    for i in range(self._checked, len(self._rows)):
      step, name, scalars = self._rows[i]
      if done is not None and step >= done:
        break
      with self.of(shares.DEVICE):
        values = {key: float(value) for key, value in scalars.items()}
      self._rows[i] = step, name, values
      self._checked = i + 1
      try:
        self._losses.add(step, name, values)
      except divergence.DivergedError as error:
        clips = ', '.join(self._run.ids(step))
        raise error.of(f'Its clips: {clips}.') from None

  def rise(self) -> divergence.DivergedError | None:
    """Returns what to raise of losses far above those before, if they are."""
    self.check()
    return self._losses.rise()

  def rows(self) -> list[list[Any]]:
    """Returns [step, task, scalars] since the last `take`, as JSON has them.

    Those are left out that the devices did not finish, because of an error.
    """
    return [list(row) for row in self._rows[: self._checked]]

  def record(self) -> dict[str, Any]:
    """Returns what a run goes on with, as JSON has it."""
    return {ROWS: self.rows(), LOSSES: self._losses.record()}

  def take(self, done: int | None = None) -> dict[str, float]:
    """Returns '<task>/<scalar>' means since the last time.

    Args:
      done: steps up to which they are, which are waited for; all by default.
    """
    self.check(done)
    values: dict[str, list[float]] = {}
    for _, name, scalars in self._rows[: self._checked]:
      for key, value in scalars.items():
        values.setdefault(f'{name}/{key}', []).append(value)
    self._rows, self._checked = self._rows[self._checked :], 0
    return {k: float(np.mean(v)) for k, v in values.items()}

  def speed(self, done: int, starved: float) -> dict[str, float]:
    """Returns rates since the last time."""
    step, then, starved_then = self._last
    now = time.perf_counter()
    self._last = (done, now, starved)
    return {
      'steps_per_second': (done - step) / (now - then),
      'input_wait': (starved - starved_then) / (now - then),
    }
