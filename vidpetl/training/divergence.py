"""When training has diverged: losses that are no numbers, or far above others.

A state is known by the loss of the step that begins with it, so that the last
states before a loss that is no number may have diverged, too.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping

import numpy as np

# Losses of a task: of those before, how many are looked at, and are enough to
# judge by; and of the latest, whose median is judged.
_WINDOW, _ENOUGH, _RECENT = 100, 20, 5


class DivergedError(RuntimeError):
  """The loss or its gradient is no number, or far above what it was.

  Attributes:
    first: finished steps of the first state that has diverged.
  """

  def __init__(self, text: str, first: int):
    super().__init__(text)
    self.first = first

  def of(self, more: str) -> DivergedError:
    """Returns it with another sentence."""
    return DivergedError(f'{self} {more}', self.first)


class Losses:
  """The losses of the latest steps, by task."""

  def __init__(self, factor: float):
    """Begins without any.

    Args:
      factor: `config.checkpoint.diverged`; 0 takes every number for a sound
        loss.
    """
    self._factor = factor
    self._of: dict[str, _Losses] = {}

  def add(self, step: int, task: str, scalars: Mapping[str, float]) -> None:
    """Takes the scalars of the next step.

    Raises:
      DivergedError: if its loss or the norm of its gradient is not finite.
    """
    losses = self._of.setdefault(task, _Losses(self._factor))
    loss, norm = scalars['loss'], scalars.get('grad_norm', 0.0)
    if not np.isfinite(loss):
      raise DivergedError(
        f'The loss of task {task} is {loss} at step {step}.',
        losses.first(step),
      )
    losses.add(step, loss)
    if not np.isfinite(norm):
      raise DivergedError(
        f'The norm of the gradient of task {task} is {norm} at step {step}, '
        f'whose loss is {loss:.4g}.',
        step + 1,
      )

  def rise(self) -> DivergedError | None:
    """Returns what to raise of a task whose losses are far above others."""
    for task, losses in self._of.items():
      if losses.risen_at is not None:
        return DivergedError(
          f'The loss of task {task} is {losses.now:.4g}, far above the '
          f'{losses.level:.4g} that it was before step {losses.risen_at} '
          f'(config.checkpoint.diverged={self._factor:g}).',
          losses.risen_at,
        )
    return None


class _Losses:
  """Those of one task.

  They have risen if the median of the latest 5 is above the median of the 100
  before by more than `factor` times the distance from that median to their
  highest. That distance is taken to be at least a tenth of the highest median
  that there was: near 0, noise is no rise. What is risen is not counted among
  those before.

  Attributes:
    level: median of those before.
    now: median of the latest.
    risen_at: step at which they rose; None if they are not risen.
  """

  def __init__(self, factor: float):
    self._factor = factor
    self._before: collections.deque[float] = collections.deque(maxlen=_WINDOW)
    self._latest: collections.deque[tuple[int, float]] = collections.deque()
    self._highest = 0.0
    self.level = self.now = 0.0
    self.risen_at: int | None = None

  def add(self, step: int, loss: float) -> None:
    self._latest.append((step, loss))
    if len(self._latest) <= _RECENT:
      return
    _, oldest = self._latest.popleft()
    if self.risen_at is None:
      self._before.append(oldest)
    if not self._factor or len(self._before) < _ENOUGH:
      return
    self.now = float(np.median([x for _, x in self._latest]))
    self.level = float(np.median(self._before))
    self._highest = max(self._highest, abs(self.level))
    spread = max(max(self._before) - self.level, 0.1 * self._highest)
    if self.now <= self.level + self._factor * spread:
      self.risen_at = None
    elif self.risen_at is None:
      self.risen_at = self._latest[0][0]

  def first(self, step: int) -> int:
    """Returns the first state that has diverged, if that of `step` has."""
    if self.risen_at is not None:
      return self.risen_at
    rows = list(self._latest)
    while self._factor and rows:
      last, loss = rows.pop()
      earlier = [abs(x) for _, x in rows] + list(map(abs, self._before))
      if not earlier or abs(loss) <= self._factor * max(earlier):
        break
      step = last
    return step
