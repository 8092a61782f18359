"""What was measured, under which protocol: results.json and its table.

An evaluation by `config.mode='eval'` writes results.eval.json instead, so that
what was reported of training stays.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any

import av
import jax
import numpy as np
from etils import epath
from PIL import Image

from vidpetl import durable, version
from vidpetl.training import reporting
from vidpetl.training import run as run_lib
from vidpetl.training.writers import json_lines

FILES = {'train': 'results.json', 'eval': 'results.eval.json'}  # by mode
# What was typed to train the run.
COMMAND = 'command.txt'
_PACKAGES = ('jax', 'flax', 'optax', 'av', 'numpy')


def line(step: int, found: Mapping[str, Any], held_out: bool = False) -> str:
  """One line for the terminal."""
  numbers = ', '.join(f'{k} {v:.4f}' for k, v in reporting.flat(found).items())
  seconds = sum(result['seconds'] for result in found.values())
  on = ' on held-out training examples' if held_out else ''
  return f'Evaluation after step {step}{on}: {numbers} ({seconds:.0f} s)'


def record(
  run: run_lib.Run,
  choice: reporting.Choice,
  meta: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns what results.json holds, but for figures of each class.

  Args:
    run: that was measured.
    choice: what is reported of it.
    meta: of its checkpoints.
  """
  found, tasks = choice.found, {}
  history = meta.get('history')
  for name, result in found.items():
    info = run.evaluation[name].info
    tasks[name] = {
      'metrics': {
        k: json_lines.number(v) for k, v in result['metrics'].items()
      },
      'table': result['report'].splitlines(),
      'dataset': f'{info.name}/{info.split}',
      'examples': result['examples'],
      'undecodable': result['undecodable'],
      'missing': len(info.dropped),
      'fingerprint': info.fingerprint,
      'protocol': run.experiment.tasks[name].protocol(),
    }
  return {
    'step': choice.step,
    'steps': meta['steps'],
    'reported': choice.record(),
    **({'history': history} if history else {}),
    'parameters': run.experiment.counts(),
    'training_examples': {k: len(v) for k, v in run.train.items()},
    'steps_per_task': run.mixture.counts(),
    'tasks': tasks,
    'decoder': {
      'pyav': av.__version__,
      **{k: '.'.join(map(str, v)) for k, v in av.library_versions.items()},
    },
    'versions': {
      'vidpetl': version.__version__,
      **{p: importlib.metadata.version(p) for p in _PACKAGES},
    },
    'devices': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
  }


def choice(record: Mapping[str, Any]) -> reporting.Choice:
  """Returns what a file of results reports, to be shown again."""
  reported = record['reported']
  found = {
    name: {**task, 'report': '\n'.join(task['table'])}
    for name, task in record['tasks'].items()
  }
  return reporting.Choice(
    reported['how'],
    reported['step'],
    tuple(reported['steps']),
    reported['by'],
    reported['on'],
    found,
    reported['note'],
  )


def table(choice: reporting.Choice) -> str:
  """The final table of all tasks."""
  parts = []
  for name, result in choice.found.items():
    parts.append(f'\n=== {name} ({result["examples"]} examples)')
    parts.append(f'reported: {reporting.words([choice.record()])}')
    if choice.how == 'mean10':
      values = result['metrics'].items()
      parts.append(', '.join(f'{k} {v:.4f}' for k, v in values))
      parts.append(f'The table is that of step {choice.step}.')
    if result['undecodable']:
      parts.append(f'{result["undecodable"]} could not be decoded')
    parts.append(result['report'])
  return '\n'.join(parts)


def save_pictures(
  pictures: Mapping[str, np.ndarray], folder: epath.Path, task: str
) -> None:
  """Writes [h, w, 3] uint8 pictures as <folder>/<task>_<name>.png."""
  if not pictures:
    return
  folder.mkdir(parents=True, exist_ok=True)
  for name, picture in pictures.items():
    stem = re.sub(r'[^\w.-]', '_', f'{task}_{name}')
    with durable.opened(folder / f'{stem}.png') as file:
      Image.fromarray(picture).save(file, 'PNG')
