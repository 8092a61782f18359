"""Shows, merges and converts adapter packages.

  python -m vidpetl.adapter show FOLDER
  python -m vidpetl.adapter merge FOLDER… --backbone=RUN --out=FILE.safetensors
  python -m vidpetl.adapter average FOLDER… --out=FOLDER [--weights=0.7,0.3]
  python -m vidpetl.adapter to_peft FOLDER --out=FOLDER [--prefix=videomae.]
  python -m vidpetl.adapter from_peft FOLDER --config=CONFIG --out=FOLDER

A run on a frozen backbone leaves its package in <workdir>/adapter. `merge`
writes a file that config.init.path takes; of several packages, all of whose
updates are added, each times its weight. `average` makes one package of several
of the same structure. `from_peft` needs a config for
backbone, tasks and preprocessing, with init.path set to the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import app, flags, logging
from etils import epy

from vidpetl import bounded, cli, ranges
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  import jax

  from vidpetl import backbones
  from vidpetl.experiment import (
    adapters,
    combining,
    configure,
    experiment,
    handover,
    initialise,
    published,
    spec,
  )
  from vidpetl.experiment.peft import reading, writing
  from vidpetl.parameters import package, storage, variables
  from vidpetl.petl import merging


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('from_peft: of a run.')
  flags.DEFINE_string('out', None, 'What to write.')
  flags.DEFINE_string(
    'backbone', None, 'merge, to_peft of DoRA: what the package was made on.'
  )
  flags.DEFINE_list(
    'weights', [], 'merge, average: of each folder; alike if left out.'
  )
  bounded.define('tolerance', 1e-3, ranges.Number, 'merge: of logits.')
  flags.DEFINE_string('prefix', '', 'to_peft: of module names.')


def show(folder: str) -> None:
  """Prints what a package is."""
  packed = package.load(folder)
  config = packed.config
  own = [p for p in packed.params if '/site_' not in p and p[:5] != 'heads']
  counts = {
    'at sites': sum(v.size for p, v in packed.params.items() if '/site_' in p),
    'of heads': sum(
      v.size for p, v in packed.params.items() if p.startswith('heads_')
    ),
    'of the backbone': sum(packed.params[p].size for p in own),
  }
  print(f'{folder}: {packed.size / 1e6:.2f} MB')
  print(f'  backbone    {config["backbone"]}')
  print(f'  its hash    {config["backbone_sha256"]}')
  print(f'  trained on  {config.get("origin", "unknown")}')
  for number, entry in enumerate(config['petl']):
    print(f'  petl[{number}]     {entry}')
  for below in config.get(package.GROUND, ()):
    kinds = ', '.join(e['technique'] for e in below['petl']) or 'a head alone'
    print(f'  stands on   {below["package"]}: {kinds}; {below["sha256"][:12]}')
  for part in config.get(package.MADE_OF, ()):
    print(
      f'  made of     {part["weight"]:g} {part["package"]}; '
      f'{part["sha256"][:12]}'
    )
  print('  parameters  ' + ', '.join(f'{v:,} {k}' for k, v in counts.items()))
  for name, task in config['tasks'].items():
    labels = list(task['labels'].values())
    print(f'  task        {name}: {task["options"]["num_classes"]} classes, '
          f'{", ".join(labels[:4])}, …; {task["trained_on"]}')  # fmt: skip
  for name, value in config.get('metrics', {}).items():
    print(f'  measured    {name} {value:.4f} (step {config.get("step")})')


def average(folders: Sequence[str], weights: Sequence[str], out: str) -> None:
  """Writes the average of packages of one structure."""
  found = {folder: package.load(folder) for folder in folders}
  packed = combining.average(found, _weights(weights, len(folders)))
  package.save(out, packed)
  show(out)


def merge_several(
  folders: Sequence[str], backbone: str, weights: Sequence[str], out: str
) -> None:
  """Writes a backbone with the updates of several packages added to it."""
  found = {folder: package.load(folder) for folder in folders}
  start = {k: np.asarray(v) for k, v in storage.load_arrays(backbone).items()}
  params = combining.merge(start, found, _weights(weights, len(folders)))
  first, *_ = found.values()
  tasks = {k: v for p in found.values() for k, v in p.config['tasks'].items()}
  petl = merging.left(first.config['petl'])
  said = {**handover.describe({**first.config, 'tasks': tasks}), 'petl': petl}
  storage.save_arrays(out, params, published.to_metadata(said))
  print(f'{out}: {len(found)} packages added to {backbone}')
  _show_left(petl)


def _weights(given: Sequence[str], count: int) -> list[float]:
  """Returns the weights of `count` packages: 1 / count each by default."""
  try:
    return [float(w) for w in given] or [1 / count] * count
  except ValueError as error:
    raise ValueError(f'--weights={",".join(given)}: {error}') from None


def merge(folder: str, backbone: str, out: str, tolerance: float) -> None:
  """Writes backbone and heads with the package's techniques merged in."""
  loaded = adapters.Adapters(backbone)
  loaded.load(folder, 'package')
  params, drift = loaded.merge('package', tolerance)
  config = loaded.merged_config('package')
  said = {**handover.describe(config), 'petl': config['petl']}
  storage.save_arrays(out, params, published.to_metadata(said))
  print(f'{out}: logits of random clips differ by at most {drift:.2g}')
  _show_left(config['petl'])


def _show_left(petl: Sequence[Mapping[str, Any]]) -> None:
  for entry in petl:
    print(f'  stays in config.petl: {entry}')


def to_peft(folder: str, out: str, prefix: str, backbone: str | None) -> None:
  """Writes a package as peft does."""
  base = storage.load_arrays(backbone) if backbone else None
  shapes = writing.write(out, package.load(folder), prefix, base)
  for name, shape in shapes.items():
    print(f'  {name} {list(shape)}')


def from_peft(folder: str, config, out: str) -> None:
  """Writes the package of what peft has saved."""
  config = config.copy_and_resolve_references()
  config.unlock()
  depth = getattr(backbones.build(config.backbone), 'depth', 0)
  config.petl = reading.read_config(folder, depth)
  config.trainable = (('^heads_', 'all'), ('/site_', 'all'), ('.*', 'frozen'))
  infos = experiment.infos_from_config(config)
  built = experiment.build(config, infos)
  fresh = built.init_variables(jax.random.key(config.seed))
  loaded, origin, _ = initialise.load(fresh, config.init, built)
  arrays = {k: np.asarray(v) for k, v in variables.flatten(loaded).items()}
  shapes = {k: v.shape for k, v in arrays.items()}
  found = reading.read(folder, shapes, arrays)
  resolved = {name: task.resolved() for name, task in built.tasks.items()}
  described = spec.describe(config, infos, resolved)
  packed = adapters.pack(
    described, {**arrays, **found}, built.group_of, origin=origin
  )
  package.save(out, packed)
  if not any(path.startswith('heads_') for path in found):
    print(f'{folder} has no classifier: the head is as it was drawn.')
  show(out)


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  logging.set_verbosity(logging.ERROR)
  commands = {
    'show': (show, ()),
    'merge': (
      lambda f: merge(f, args.backbone, args.out, args.tolerance),
      ('backbone', 'out'),
    ),
    'to_peft': (
      lambda f: to_peft(f, args.out, args.prefix, args.backbone),
      ('out',),
    ),
    'from_peft': (
      lambda f: from_peft(f, configure.from_flags(), args.out),
      ('config', 'out'),
    ),
  }
  of_several = {
    'average': (lambda f: average(f, args.weights, args.out), ('out',)),
    'merge': (
      lambda f: merge_several(f, args.backbone, args.weights, args.out),
      ('backbone', 'out'),
    ),
  }
  word, *folders = argv[1:] or ['']
  several = len(folders) > 1 or word not in commands
  command, needed = (of_several if several else commands).get(word, (None, ()))
  if command is None or not folders:
    known = ', '.join(dict.fromkeys((*commands, *of_several)))
    raise app.UsageError(
      f'COMMAND FOLDER, COMMAND of {known}; average and merge take several '
      'folders'
    )
  if missing := [f'--{name}' for name in needed if not args[name].value]:
    raise app.UsageError(f'{word} needs {" and ".join(missing)}')
  command(folders if several else folders[0])


if __name__ == '__main__':
  cli.run(define_flags, main)
