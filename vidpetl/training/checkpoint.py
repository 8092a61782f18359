"""Saving and resuming a run: orbax, asynchronous, latest and best.

A checkpoint holds what changes. Frozen parameters are written to none of them;
their hash is, so that a resumed run cannot continue on other ones. Its meta
holds checksums of its arrays and of itself: what comes back is what was saved.

Which is the best is known from the run's evaluations, that come after saving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy

from vidpetl import lock
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import checksums
from vidpetl.training import damage, reporting

_FOLDER = 'checkpoints'
_CHANGING = ('step', 'params', 'batch_stats', 'opt_state', 'task_state')


def latest_in(workdir: epath.PathLike) -> int:
  """Returns the step of a folder's latest checkpoint, 0 if it has none."""
  folder = epath.Path(workdir) / _FOLDER
  names = [path.name for path in folder.iterdir()] if folder.exists() else []
  return max((int(name) for name in names if name.isdigit()), default=0)


class UnsavedError(OSError):
  """A checkpoint could not be written."""


class Checkpoints:
  """The checkpoints of one working directory."""

  def __init__(self, workdir: str, keep: int = 2, best: str = ''):
    """Opens, or makes, `workdir`/checkpoints.

    Args:
      workdir: of the run.
      keep: how many of the latest to keep.
      best: scalar whose highest value keeps its checkpoint too, e.g.
        'ava/mAP'; '' for none. Of equal ones the latest is the best. What is
        not a number, as the correlation of a constant, is never the best.
    """
    damage.quiet()
    self.folder = epath.Path(workdir).absolute() / _FOLDER
    self._best = best
    self._scores: dict[int, float] = {}
    self._saving: int | None = None
    self._manager = _Manager(
      self.folder,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(
          [preservation_policy.LatestN(keep), _Best(self)]
        ),
        cleanup_tmp_directories=True,
      ),
    )
    if best:
      self._read_scores(workdir)

  def _read_scores(self, workdir: str) -> None:
    """Takes up those of the evaluations that there were."""
    measured = {e.step: e.metrics for e in reporting.read(workdir)}
    for step in self.steps():
      # Older runs kept them beside the arrays.
      metrics = measured.get(step) or self._manager.metrics(step) or {}
      if self._best in metrics:
        self._scores[step] = metrics[self._best]

  def steps(self) -> list[int]:
    """Returns the steps of all that there are, in order."""
    return sorted(self._manager.all_steps())

  def latest(self) -> int | None:
    return max(self.steps(), default=None)

  def best(self) -> int | None:
    """Step of the highest `best` scalar among the checkpoints there are.

    None if none of them has such a number.
    """
    return self._best_of(self.steps())

  def _best_of(self, steps: list[int]) -> int | None:
    scores = [(self._scores.get(step, math.nan), step) for step in steps]
    # Of equal ones the latest.
    return max((s for s in scores if math.isfinite(s[0])), default=[None])[-1]

  def find(self, wanted: str, field: str) -> int:
    """Returns the step of the checkpoint that is wanted.

    Args:
      wanted: 'latest', 'best' or a step.
      field: that says so, for the error.

    Raises:
      ValueError: if there is no such checkpoint, with those there are.
    """
    if wanted in ('latest', 'best'):
      step = self.best() if wanted == 'best' else self.latest()
    elif wanted.isdigit():
      step = int(wanted)
    else:
      raise ValueError(
        f"{field}={wanted} is not 'latest', 'best' or the number of a step."
      )
    there = self.steps()
    if step not in there:
      raise ValueError(
        f'{field}={wanted}: {self.folder} has no such checkpoint; it has those '
        f'of steps {", ".join(map(str, there)) or "none"}.'
      )
    return step

  def save(
    self, state: state_lib.TrainState, step: int, meta: Mapping[str, Any]
  ) -> None:
    """Starts saving; does nothing if this step is saved already.

    Raises:
      UnsavedError: if the one before could not be saved.
      lock.LostError: if another run has taken the working directory over.
    """
    lock.check(self.folder.parent)
    self.wait()
    if step == self.latest():
      return
    tree = {name: getattr(state, name) for name in _CHANGING}
    signed = checksums.sign({**meta, damage.SUMS: checksums.of(tree)})
    self._saving = step
    try:
      saved = self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(tree), meta=ocp.args.JsonSave(signed)
        ),
      )
    except Exception as error:
      raise self._unsaved(error) from error
    if not saved:
      raise RuntimeError(f'Checkpoint {step} was refused in {self.folder}.')

  def score(self, step: int, metrics: Mapping[str, float]) -> None:
    """Takes what an evaluation measured, by which the best is kept.

    Raises:
      ValueError: if `metrics` lack the scalar that says which is the best.
    """
    if not self._best:
      return
    if self._best not in metrics:
      raise ValueError(
        f'config.checkpoint.best is {self._best!r}; measured are '
        f'{", ".join(metrics)}.'
      )
    self._scores[step] = metrics[self._best]

  def meta(self, step: int) -> dict[str, Any]:
    """Returns what was saved beside the state of `step`.

    Raises:
      damage.DamagedError: if that is not what is there.
    """
    meta = damage.read(self.folder / str(step))
    return {k: v for k, v in meta.items() if k not in damage.SIGNATURE}

  def restore(
    self, step: int, state: state_lib.TrainState
  ) -> state_lib.TrainState:
    """Returns `state` with what changes replaced by that of `step`.

    Arrays come back on the shardings that `state` has, whichever topology they
    were saved from.

    Raises:
      damage.DamagedError: if they are not what was saved.
      ValueError: if they are of another model or optimizer.
    """
    folder = self.folder / str(step)
    sums = damage.read(folder).get(damage.SUMS)
    tree = {name: getattr(state, name) for name in _CHANGING}
    if sums is not None:
      damage.check_kinds(folder, sums, checksums.kinds(tree))
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)
    args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
    with damage.reading(folder, sums is not None):
      restored = self._manager.restore(step, args=args).state
    if sums is not None:
      damage.check_sums(folder, sums, checksums.of(restored))
    return state.replace(**restored)

  def set_aside(self, step: int, word: str) -> epath.Path:
    """Moves a checkpoint where no run begins from, and returns whither.

    Args:
      step: of it.
      word: what it is: 'damaged' or 'diverged'.
    """
    self.wait()
    folder = self._aside(word)
    number, to = 1, folder / str(step)
    while to.exists():
      number += 1
      to = folder / f'{step}.{number}'
    if jax.process_count() > 1:
      multihost_utils.sync_global_devices(f'set {step} aside')
    if jax.process_index() == 0:
      folder.mkdir(parents=True, exist_ok=True)
      (self.folder / str(step)).rename(to)
    if jax.process_count() > 1:
      multihost_utils.sync_global_devices(f'{step} is aside')
    self._scores.pop(step, None)
    self._manager.reload()
    return to

  def set_damaged_aside(self, step: int, error: damage.DamagedError) -> str:
    """Moves a damaged checkpoint away, and returns what to say of it.

    All processes have found it damaged; see `damage.agree`.

    Raises:
      damage.DamagedError: if there is nothing to move.
    """
    if step not in self.steps():
      raise error
    to = self.set_aside(step, 'damaged')
    return f'{error.folder} is damaged: {error.why}. It was moved to {to}.'

  def lost(self) -> bool:
    """Whether there is a step of which there are but damaged checkpoints."""
    folder = self._aside('damaged')
    paths = folder.iterdir() if folder.exists() else ()
    steps = {path.name.partition('.')[0] for path in paths}
    return bool(steps - set(map(str, self.steps())))

  def _aside(self, word: str) -> epath.Path:
    return self.folder.with_name(f'{self.folder.name}.{word}')

  def wait(self) -> None:
    """Waits for what is being saved.

    Raises:
      UnsavedError: if it could not be.
    """
    try:
      self._manager.wait_until_finished()
      self._manager.check_for_errors()
    except Exception as error:
      raise self._unsaved(error) from error

  def _unsaved(self, error: Exception) -> UnsavedError:
    there = ', '.join(map(str, self.steps() or ['none']))
    return UnsavedError(
      f'{self.folder / str(self._saving)} could not be written: '
      f'{damage.reason(error)}. Once it can be, the same command goes on from '
      f'the latest checkpoint (there are those of steps {there}).'
    )

  def close(self) -> None:
    """Finishes what is being saved."""
    self.wait()
    self._manager.close()


class _Manager(ocp.CheckpointManager):
  """Leaves it to `interruption` to ask whether the run is to stop.

  It would ask by other numbers, and from a thread, so that a signal is lost.
  """

  def reached_preemption(self, step: int) -> bool:
    del step
    return False


class _Best(preservation_policy.PreservationPolicy):
  """Keeps the best of those that were evaluated."""

  def __init__(self, of: Checkpoints):
    self._of = of

  def should_preserve(self, checkpoints, *, context):
    del context
    steps = [info.step for info in checkpoints]
    best = self._of._best_of(steps)
    return [step == best for step in steps]
