"""How a run ends: with its results, or with a word on how it can go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from etils import epath

from vidpetl import lock
from vidpetl.experiment import adapters, exemplars, stacking
from vidpetl.experiment import spec as spec_lib
from vidpetl.experiment import state as state_lib
from vidpetl.metrics import metric as metric_lib
from vidpetl.parameters import package
from vidpetl.training import (
  checkpoint,
  damage,
  divergence,
  predictions,
  reporting,
  results,
)
from vidpetl.training import run as run_lib

ADAPTER = 'adapter'


def diverged(
  error: divergence.DivergedError,
  checkpoints: checkpoint.Checkpoints,
  config: Any,
) -> divergence.DivergedError:
  """Returns an error with what to do about it; sets bad checkpoints aside.

  Args:
    error: that stopped the run.
    checkpoints: of the run.
    config: of the run.
  """
  bad = [step for step in checkpoints.steps() if step >= error.first]
  for step in bad:
    to = checkpoints.set_aside(step, 'diverged').parent
    error = error.of(f'The checkpoint of step {step} had diverged: see {to}.')
  good = checkpoints.latest()
  rate = config.optimizer.learning_rate / 2
  lower = f'--config.optimizer.learning_rate={rate:g}'
  if good is None:
    return error.of(
      f'There is no checkpoint of a step before it: begin anew with {lower}, '
      'or another --config.seed.'
    )
  accept = '--config.checkpoint.accept'
  seed = 'seed' if config.data_seed is None else 'data_seed'
  return error.of(
    f'{checkpoints.folder / str(good)} is good; the same command goes on from '
    'it, and comes to the same loss. With other batches: the same command with '
    f'--config.{seed}={config[seed] + 1} {accept}={seed}. At a lower rate: '
    f'{lower} {accept}=optimizer.learning_rate.'
  )


def read(
  workdir: epath.Path,
  choice: reporting.Choice,
  meta: Mapping[str, Any],
) -> dict[str, Any] | None:
  """Returns the results of a run that has ended before.

  Args:
    workdir: of the run.
    choice: what it would report.
    meta: of its last checkpoint.

  Returns:
    What results.json holds; None if that is of another choice, or not all that
    a run ends with is there.
  """
  path = workdir / results.FILES['train']
  if meta['frozen'] and not (workdir / ADAPTER / package.CONFIG).exists():
    return None
  try:
    record = json.loads(path.read_bytes())
    of = {**record['reported'], 'steps_in_all': record['steps']}
  except (FileNotFoundError, ValueError, KeyError, TypeError):
    return None
  wanted = {**choice.record(), 'steps_in_all': meta['steps']}
  # Values are those of the test, where held-out examples chose.
  same = all(of.get(k) == v for k, v in wanted.items() if k != 'values')
  return record if same else None


def chosen(
  choose: Callable[[], reporting.Choice],
  total: int,
  state: state_lib.TrainState,
  checkpoints: checkpoint.Checkpoints,
  say: Callable[[str], None],
) -> tuple[reporting.Choice, state_lib.TrainState]:
  """Returns what is reported, and its state.

  A checkpoint that is damaged is set aside, and another one chosen.

  Args:
    choose: returns what would be reported, among the checkpoints there are.
    total: steps of the run.
    state: the last one.
    checkpoints: of the run.
    say: tells a user a line.
  """
  checkpoints.wait()
  while (choice := choose()).step != total:
    try:
      return choice, checkpoints.restore(choice.step, state)
    except damage.DamagedError as error:
      damage.agree(error)
      say(checkpoints.set_damaged_aside(choice.step, error))
  return choice, state


def write_package(
  run: run_lib.Run,
  spec: spec_lib.Spec,
  arrays: Mapping[str, np.ndarray],
  workdir: epath.Path,
  origin: str,
  choice: reporting.Choice,
) -> str:
  """Writes what is reported, on top of the frozen parameters.

  Args:
    run: that ends.
    spec: of its model.
    arrays: all of the model's, by name.
    workdir: of the run.
    origin: of the frozen parameters.
    choice: what is reported.

  Returns:
    What to tell of it.
  """
  lock.check(workdir)
  packed = adapters.pack(
    spec,
    arrays,
    run.experiment.group_of,
    origin=origin,
    step=choice.step,
    metrics=reporting.flat(choice.found),
    **_ground(run.config),
  )
  folder = workdir / ADAPTER
  package.save(folder, packed)
  size = f'{packed.size / 1e6:.2f} MB'
  return f'Adapter package of step {choice.step}: {folder}, {size}'


def _ground(config: Any) -> dict[str, Any]:
  """Returns what a run's package says of the one that it stands on."""
  folder = config.init.adapter
  return {package.GROUND: stacking.ground(folder)} if folder else {}


def leave_exemplars(
  run: run_lib.Run,
  files: predictions.Files,
  workdir: epath.Path,
  choice: reporting.Choice,
) -> None:
  """Puts reported exemplars where the model is used from.

  Args:
    run: that ends.
    files: of its evaluations.
    workdir: of the run.
    choice: what is reported.
  """
  for name in choice.found:
    metric = run.experiment.tasks[name].metric(run.evaluation[name])
    if not isinstance(metric, metric_lib.Relative):
      continue
    arrays = files.read_arrays(name, choice.step)
    if arrays:  # An older version, which the run began with, kept none.
      exemplars.write(workdir, name, choice.step, arrays)
