"""Exemplars that a run keeps, so that new performances need no training data.

    exemplars.<task>.npz   in the working directory, and in the run's package

It holds what `tasks.quality.scores.RelativeScores.exemplars` returns, and the
'step' of the parameters by which exemplars were encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.experiment import trained
from vidpetl.parameters import package


def file_of(task: str) -> str:
  """Returns what the file of a task is called."""
  stem = re.sub(r'[^\w-]', '_', task)
  return f'exemplars.{stem}.npz'


def write(
  workdir: epath.PathLike,
  task: str,
  step: int,
  arrays: Mapping[str, np.ndarray],
) -> None:
  """Writes exemplars, in place of earlier ones.

  Args:
    workdir: of the run. Its package has them too, if it is of the same step.
    task: whose they are.
    step: of the parameters.
    arrays: see above.
  """
  workdir = epath.Path(workdir)
  folders, packed = [workdir], workdir / trained.ADAPTER
  if (packed / package.CONFIG).exists():
    config = package.load(packed).config
    folders += [packed] if config.get('step') == step else []
  for folder in folders:
    with durable.opened(folder / file_of(task)) as file:
      np.savez(file, **arrays, step=np.array(step))


def read(
  folder: epath.PathLike, task: str, step: int | None
) -> dict[str, np.ndarray]:
  """Returns exemplars.

  Args:
    folder: of a run, one of its checkpoints, or a package.
    task: whose they are.
    step: of the model's parameters; None if that is not known.

  Raises:
    ValueError: if there are none, or none of this step.
  """
  folder = epath.Path(folder)
  places = [folder]
  if folder.parent.name == 'checkpoints':
    places.append(folder.parent.parent)
  if folder.name == trained.ADAPTER:
    places.append(folder.parent)
  paths = [place / file_of(task) for place in places]
  path = next((path for path in paths if path.exists()), None)
  if path is None:
    raise ValueError(
      f'{folder} has no {file_of(task)}, with whose performances {task} '
      f'compares new ones. {_AGAIN}'
    )
  with path.open('rb') as file, np.load(file) as arrays:
    found = dict(arrays)
  made = int(found['step'])
  if step is not None and made != step:
    raise ValueError(
      f'{path} is of step {made}, and the model is of step {step}. {_AGAIN}, '
      f'--config.eval_checkpoint={step}'
    )
  return found


_AGAIN = (
  "A run leaves it when it is evaluated: run its training's command again "
  'with --config.mode=eval'
)
