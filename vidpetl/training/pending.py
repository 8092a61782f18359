"""Scalars of steps that the devices may not have finished yet."""

from __future__ import annotations

import time
from collections.abc import Mapping

import jax
import numpy as np

from vidpetl.training import run as run_lib


class NonFiniteLossError(RuntimeError):
  """The loss became infinite or not a number."""


class Pending:
  """Scalars that are still on the devices, so that no step waits for them."""

  def __init__(self, run: run_lib.Run, start: int):
    self._run = run
    self._rows: list[tuple[int, str, Mapping[str, jax.Array]]] = []
    self._checked = 0
    self._last = (start, time.perf_counter(), 0.0)

  def add(self, step: int, name: str, scalars: Mapping[str, jax.Array]) -> None:
    self._rows.append((step, name, scalars))

  def done(self) -> bool:
    """Whether the devices have finished the last step."""
    return not self._rows or self._rows[-1][2]['loss'].is_ready()

  def check(self) -> None:
    """Raises NonFiniteLossError, naming step, task and clips."""
    for step, name, scalars in self._rows[self._checked :]:
      loss = float(scalars['loss'])
      if not np.isfinite(loss):
        ids = self._run.ids(step)
        raise NonFiniteLossError(
          f'The loss of task {name} is {loss} at step {step}. Its clips: '
          f'{", ".join(ids)}. No checkpoint was written after it.'
        )
    self._checked = len(self._rows)

  def take(self) -> dict[str, float]:
    """Returns '<task>/<scalar>' means since the last time."""
    self.check()
    values: dict[str, list[float]] = {}
    for _, name, scalars in self._rows:
      for key, value in scalars.items():
        values.setdefault(f'{name}/{key}', []).append(float(value))
    self._rows, self._checked = [], 0
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
