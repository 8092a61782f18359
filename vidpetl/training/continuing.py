"""More of the same run: what has to hold for it to be given more steps.

The batch at a step, and its learning rate, must be what they were for all steps
that are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from vidpetl.data import opening
from vidpetl.experiment import optimizer
from vidpetl.training import run as run_lib


def resumed(
  run: run_lib.Run, saved: Mapping[str, Any], step: int, workdir: epath.Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
  """Returns a checkpoint's meta as of the run that goes on, and its history.

  Args:
    run: that goes on, maybe with more steps than it was to take.
    saved: meta of the checkpoint.
    step: of the checkpoint.
    workdir: of the run.

  Returns:
    The meta, with the number of steps that there are now; a record of each time
    that the run was given more: at which step, how many it was to take and
    takes, and `optimizer.tails`.

  Raises:
    ValueError: if it cannot have more, is to have fewer, or if the rates of
      the steps that are taken were others.
  """
  history = list(saved.get('history', []))
  then = saved['steps']
  if then == run.total:
    if step < then:
      _check_rates(run, then, step, workdir)
    return dict(saved), history
  if run.total < then:
    raise ValueError(
      f'{workdir} holds a run of {then} steps, of which these settings leave '
      f'{run.total}: a run can be given more, not fewer.'
    )
  changed = {'steps': run.total}
  if run.mixture.mode == 'permuted':
    if len(run.mixture.names) > 1:
      raise ValueError(
        "config.mixture.mode='permuted' shares out all steps of a run, so that "
        f'those of {workdir} cannot become {run.total}; {_anew(workdir)}'
      )
    changed['mixture'] = run.mixture.fingerprint()
  _check_rates(run, then, step, workdir)
  tails = [list(tail) for tail in run.config.optimizer.tails]
  history.append({'at': step, 'steps': [then, run.total], 'tails': tails})
  return {**saved, **changed}, history


def _check_rates(run, then: int, step: int, workdir: epath.Path) -> None:
  """Refuses rates that the steps taken did not have."""
  file = workdir / 'config.json'
  config = run.config.optimizer.to_dict()
  before = dict(config)
  if file.exists():
    before |= opening.read_json(file).get('optimizer', {})
  old = _rates(before, run.epoch, then, step)
  new = _rates(config, run.epoch, run.total, step)
  if np.array_equal(old, new):
    return
  first = int(np.flatnonzero(old != new)[0])
  begin = then if run.total > then else step
  epochs = begin / run.epoch
  rate = 0.01 * config['learning_rate']
  raise ValueError(
    f'{workdir} has taken {step} of {then} steps, and with these settings (of '
    f'{run.total} steps) their learning rates would have been others: '
    f'{old[first]:.4g} was that of step {first}, and {new[first]:.4g} would '
    "be. A schedule that does not depend on the run's length goes on, and so "
    'does a new tail: '
    f'--config.optimizer.tails="(({epochs:.10g},\'constant\',{rate:g}),)". Or '
    f'{_anew(workdir)}'
  )


def _rates(
  config: Mapping[str, Any], epoch: float, total: int, step: int
) -> np.ndarray:
  """Returns the rates of the first steps of a run, [step]."""
  # Of a run that was shorter, the tails of now are behind its end.
  tails = [t for t in config.get('tails', ()) if round(t[0] * epoch) < total]
  rate = optimizer.schedule({**config, 'tails': tails}, epoch, total)
  return np.asarray(jax.vmap(rate)(jnp.arange(step)))


def _anew(workdir: epath.Path) -> str:
  return (
    f'start a new run from this one: --config.init.path={workdir}, with '
    'another --workdir.'
  )
