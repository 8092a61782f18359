"""Which task each training step serves, when several datasets are co-trained.

The schedule is a table made before training from (names, sizes, weights, mode,
seed): every host makes the same one, and resuming at a step is looking it up.
A batch always comes from one dataset (Arnab et al. 2022, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vidpetl.data import index

MODES = ('weighted', 'alternating', 'permuted')


class Schedule:
  """The task of every step.

  Modes:
    weighted: each step draws its task in proportion to the weights, from
      (seed, step) alone; a longer run begins as a shorter one.
    alternating: the tasks in turn.
    permuted: a permutation of steps in exact proportion to the weights (the
      largest remainders get the steps left over); depends on `steps`.
  """

  def __init__(
    self,
    names: Sequence[str],
    sizes: Sequence[int],
    *,
    steps: int,
    seed: int,
    mode: str = 'weighted',
    weights: Mapping[str, float] | Sequence[float] | None = None,
  ):
    """Makes the table.

    Args:
      names: of the tasks, unique.
      sizes: examples of each task's dataset.
      steps: of the whole run.
      seed: of the experiment.
      mode: one of `MODES`.
      weights: by task, in any unit; None weighs datasets by their sizes.

    Raises:
      ValueError: if names, sizes and weights do not belong together.
    """
    self.names = tuple(names)
    self.sizes = tuple(int(size) for size in sizes)
    self.steps, self.seed, self.mode = int(steps), seed, mode
    self._check()
    self.weights = self._weigh(weights)
    self._tasks = self._draw()
    taken = self._tasks[None] == np.arange(len(self.names))[:, None]
    self._counts = np.zeros((len(self.names), self.steps + 1), np.int64)
    np.cumsum(taken, axis=1, out=self._counts[:, 1:])

  def _check(self):
    if self.mode not in MODES:
      raise ValueError(f'mixture mode {self.mode!r} is none of {MODES}')
    if not self.names or len(set(self.names)) < len(self.names):
      raise ValueError(f'a mixture needs unique task names, not {self.names}')
    if len(self.sizes) != len(self.names):
      raise ValueError(
        f'{len(self.names)} tasks {self.names} but {len(self.sizes)} sizes'
      )
    for name, size in zip(self.names, self.sizes):
      if size < 1:
        raise ValueError(f'dataset {name!r} is empty')
    if self.steps < 0:
      raise ValueError(f'a schedule cannot have {self.steps} steps')

  def _weigh(self, weights) -> tuple[float, ...]:
    """Returns one weight per task, normalised to sum 1."""
    if weights is not None and self.mode == 'alternating':
      raise ValueError("mode 'alternating' takes the tasks in turn: no weights")
    if self.mode == 'alternating':
      weights = np.ones(len(self.names))
    elif weights is None:
      weights = self.sizes
    elif isinstance(weights, Mapping):
      if set(weights) != set(self.names):
        raise ValueError(
          f'weights are for {sorted(weights)}, tasks are {sorted(self.names)}'
        )
      weights = [weights[name] for name in self.names]
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(self.names),):
      raise ValueError(f'{len(self.names)} tasks but {weights.size} weights')
    for name, weight in zip(self.names, weights):
      if not (np.isfinite(weight) and weight > 0):
        raise ValueError(
          f'the weight of {name!r} is {weight}; it must be a positive number '
          '(leave the task out to never train it)'
        )
    return tuple((weights / weights.sum()).tolist())

  def _draw(self) -> np.ndarray:
    """Returns the task of each step as an index, int32 [steps]."""
    n = len(self.names)
    if self.mode == 'alternating':
      return (np.arange(self.steps) % n).astype(np.int32)
    if self.mode == 'weighted':
      draws = index.uniform(self.steps, self.seed, 'mixture')
      edges = np.cumsum(self.weights)[:-1]
      return np.searchsorted(edges, draws, side='right').astype(np.int32)
    exact = np.asarray(self.weights) * self.steps
    counts = np.floor(exact).astype(np.int64)
    left = self.steps - counts.sum()
    counts[np.argsort(counts - exact, kind='stable')[:left]] += 1
    order = np.argsort(index.words(self.steps, self.seed, 'mixture'))
    return np.repeat(np.arange(n, dtype=np.int32), counts)[order]

  def task(self, step: int) -> str:
    """Returns the name of the task that `step` serves, counted from 0."""
    if not 0 <= step < self.steps:
      raise IndexError(f'step {step} is not among the {self.steps} scheduled')
    return self.names[self._tasks[step]]

  def count(self, step: int, name: str) -> int:
    """Returns how many of the steps before `step` serve the task `name`.

    It is the number of the batch that the task shows next.
    """
    if name not in self.names:
      raise ValueError(f'no task {name!r} in the mixture of {self.names}')
    if not 0 <= step <= self.steps:
      raise IndexError(f'step {step} is not within {self.steps} steps')
    return int(self._counts[self.names.index(name), step])

  def counts(self) -> dict[str, int]:
    """Returns how many steps of the whole run each task gets."""
    return {name: self.count(self.steps, name) for name in self.names}
