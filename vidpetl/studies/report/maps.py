"""Grad-CAM of the clips that a page shows.

It takes the run's model and one program, for a clip of each device at a time.
Of what is too large for that at the end of a run, the page names the command.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import jax

from vidpetl.experiment import complete
from vidpetl.studies import explaining, flops, grad_cam, speaking
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import moving
from vidpetl.studies.report import people as people_lib
from vidpetl.training import run as run_lib
from vidpetl.training import sharding

# What is explained without being asked for: models of so many parameters, and
# tasks until so many seconds are over.
_SMALL, _PATIENCE = 30e6, 10.0


@dataclasses.dataclass(frozen=True)
class Explained:
  """What a run's model had to say.

  Attributes:
    maps: task -> id of a clip -> what speaks for its predicted class.
    told: a sentence about them, '' for none.
    flops: of one view of each task; None if they were not counted.
  """

  maps: Mapping[str, Mapping[str, grad_cam.Example]] = dataclasses.field(
    default_factory=dict
  )
  told: str = ''
  flops: Mapping[str, float] | None = None


def reason_against(run: Recorded) -> str:
  """Returns why the end of a run draws no maps; '' if it does."""
  if jax.process_count() > 1:
    return 'the run has several processes'
  total = run.results.get('parameters', {}).get('total', 0)
  if total > _SMALL:
    return f'the model has {total:,} parameters'
  return ''


def draw(run: Recorded, count: int, patient: bool) -> Explained:
  """Returns what speaks for the predicted class of clips.

  Args:
    run: with a checkpoint and its data.
    count: clips of the worst, and of the best, of each task.
    patient: whether all tasks are explained, however long it takes.

  Raises:
    ValueError, OSError: if the checkpoint or the data are gone.
  """
  tasks = [task for task in run.tasks if run.kind(task) in speaking.KINDS]
  if not tasks:
    return Explained()
  config = complete.complete(run.config)
  workdir = str(run.workdir)
  began, found, left, why = time.perf_counter(), {}, [], []
  with jax.set_mesh(sharding.mesh_of(config)):
    ready = run_lib.prepare(config, workdir)
    state, step = explaining.restore(ready, workdir, _checkpoint(run))
    for task in tasks:
      if found and not patient and time.perf_counter() - began > _PATIENCE:
        left.append(task)
        continue
      try:
        found[task] = _of_task(run, ready, state, task, count)
      except ValueError as error:
        why.append(f'There is no Grad-CAM of {task}: {error}')
    counted = flops.of_experiment(ready.experiment)
  told = (
    'Beside a clip is what of it speaks for the predicted class, or for a '
    f'higher score (Grad-CAM), with the parameters of step {step:,}.'
  )
  if left:
    told += f' That of {", ".join(left)} is drawn by `vidpetl report`.'
  told = ' '.join([told, *why] if found else why)
  return Explained(found, told, counted)


def _of_task(run, ready, state, task: str, count: int):
  """Returns id of a clip -> its map."""
  people = run.kind(task) == 'localisation'
  at = (people_lib if people else moving).places(run, task, count)
  sites = explaining.sites(ready, task)
  examples = explaining.explain_clips(ready, state, sites, task, list(at))
  return {at[i]: each for i, each in examples.items()}


def _checkpoint(run: Recorded) -> str:
  """Returns the reported step, if it is saved; or else the latest."""
  step = str(run.results.get('step', ''))
  return (
    step if (run.workdir / 'checkpoints' / step).is_dir() and step else 'latest'
  )
