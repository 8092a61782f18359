"""Saving and resuming a run: orbax, asynchronous, latest and best.

A checkpoint holds what changes. Frozen parameters are written to none of them;
their hash is, so that a resumed run cannot continue on other ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from vidpetl import lock
from vidpetl.experiment import state as state_lib

_CHANGING = ('step', 'params', 'batch_stats', 'opt_state', 'task_state')


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
    self.folder = epath.Path(workdir).absolute() / 'checkpoints'
    policies = [preservation_policy.LatestN(keep)]
    score = None
    if best:
      score = lambda metrics: _score(metrics, best)
      policies.append(
        preservation_policy.BestN(
          get_metric_fn=score,
          n=1,
          keep_checkpoints_without_metrics=False,
        )
      )
    self._best = best
    self._manager = ocp.CheckpointManager(
      self.folder,
      options=ocp.CheckpointManagerOptions(
        best_fn=score,
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        cleanup_tmp_directories=True,
      ),
    )

  def latest(self) -> int | None:
    return self._manager.latest_step()

  def best(self) -> int | None:
    """Step of the highest `best` scalar among the checkpoints there are.

    None if none of them has such a number.
    """
    scores = {
      step: _score(metrics, self._best)
      for step in self._manager.all_steps()
      if (metrics := self._manager.metrics(step)) and self._best in metrics
    }
    found = [(s, step) for step, s in scores.items() if s > -math.inf]
    return max(found)[1] if found else None

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
    there = sorted(self._manager.all_steps())
    if step not in there:
      raise ValueError(
        f'{field}={wanted}: {self.folder} has no such checkpoint; it has those '
        f'of steps {", ".join(map(str, there)) or "none"}.'
      )
    return step

  def save(
    self,
    state: state_lib.TrainState,
    step: int,
    meta: Mapping[str, Any],
    metrics: Mapping[str, float] | None = None,
  ) -> None:
    """Starts saving; does nothing if this step is saved already.

    Raises:
      ValueError: if `metrics` lack the scalar that says which is the best.
      lock.LostError: if another run has taken the working directory over.
    """
    lock.check(self.folder.parent)
    if step == self.latest():
      return
    if metrics is not None and self._best and self._best not in metrics:
      raise ValueError(
        f'config.checkpoint.best is {self._best!r}; measured are '
        f'{", ".join(metrics)}.'
      )
    tree = {name: getattr(state, name) for name in _CHANGING}
    saved = self._manager.save(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(tree), meta=ocp.args.JsonSave(dict(meta))
      ),
      metrics=None if metrics is None else dict(metrics),
    )
    if not saved:
      raise RuntimeError(f'Checkpoint {step} was refused in {self.folder}.')

  def meta(self, step: int) -> dict[str, Any]:
    """Returns what was saved beside the state of `step`."""
    args = ocp.args.Composite(meta=ocp.args.JsonRestore())
    return self._manager.restore(step, args=args).meta

  def restore(
    self, step: int, state: state_lib.TrainState
  ) -> state_lib.TrainState:
    """Returns `state` with what changes replaced by that of `step`.

    Arrays come back on the shardings that `state` has, whichever topology they
    were saved from.
    """
    tree = {name: getattr(state, name) for name in _CHANGING}
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)
    args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
    restored = self._manager.restore(step, args=args).state
    return state.replace(**restored)

  def wait(self) -> None:
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Finishes what is being saved."""
    self._manager.close()


def _score(metrics: Mapping[str, float], name: str) -> float:
  """Returns a scalar to compare, -inf where it is not a number."""
  return metrics[name] if math.isfinite(metrics[name]) else -math.inf
