"""A small experiment on drawn films, as files that commands can be given."""

from __future__ import annotations

from typing import Any

from etils import epath

from launch import combinations

TASK = 'hmdb51'
_ONE = combinations.Combination('videomae_b', 'adaptformer', 'classification')


def films(out: epath.Path) -> epath.Path:
  """Returns the folder of films below `out`; draws them if there is none."""
  folder = out / 'films'
  if not (folder / 'labels.csv').exists():
    folder.mkdir(parents=True, exist_ok=True)
    combinations.draw(folder)
  return folder


def config(
  drawn: epath.Path, every: float, one: Any = _ONE, **fields: Any
) -> Any:
  """Returns a config that trains and evaluates a tiny net in seconds.

  Args:
    drawn: folder of films.
    every: how many steps there are between evaluations.
    one: the combination of backbone, method and task.
    fields: of the config, with '__' between a field and its part.
  """
  made = combinations.config_of(one, drawn)
  made = made.copy_and_resolve_references().unlock()
  for task in made.tasks.values():
    task.eval = {**task.train.to_dict(), 'split': 'val'}
  made.page, made.log_every = False, 1
  made.update_from_flattened_dict(
    {name.replace('__', '.'): value for name, value in fields.items()}
  )
  examples = len(list((drawn / 'hmdb51' / 'videos').glob('*/*'))) // 2
  made.eval_every_epochs = every * made.batch_size / examples
  return made.lock()


def cut_back(folder: epath.Path, step: int) -> None:
  """Leaves of a finished run what it had when it had saved a step."""
  for path in (folder / 'checkpoints').iterdir():
    if path.name.isdigit() and int(path.name) > step:
      path.rmtree()
  (folder / 'results.json').unlink()
  (folder / 'adapter').rmtree()


def write(made: Any, path: epath.Path) -> epath.Path:
  """Writes a config as a file for --config; returns its path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(
    'import json\n\nimport ml_collections\n\n\n'
    'def get_config():\n'
    f'  text = {made.to_json()!r}\n'
    '  return ml_collections.ConfigDict(json.loads(text)).lock()\n'
  )
  return path
