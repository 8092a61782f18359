"""Every backbone with every method, exported to every target, and compared.

  python launch/export_table.py --out=exports [--only=lora]

Takes the small twins of all presets with random weights and noise for clips; of
each task, one backbone more. Leaves exports.jsonl, with which the same command
goes on, and exports.md: the largest difference from the run, as a share of the
largest value, or why there is no export.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping

import combinations
import jax
import numpy as np
import tqdm
from absl import app, flags, logging
from etils import epath

from vidpetl import cli, mistakes, parts, tables
from vidpetl.experiment import experiment
from vidpetl.experiment import spec as spec_lib
from vidpetl.exporting import comparing, films, targets
from vidpetl.exporting import subject as subject_lib
from vidpetl.parameters import variables
from vidpetl.recipes import methods

# `torch` writes what `vidpetl convert` does, which has tests of each family.
TARGETS = ('jax', 'saved_model', 'onnx')
# The others compute with one of these.
FREE = ('head', 'layer_norm', 'bitfit')
TASKS = tuple(t for t in combinations.TASKS if t != 'classification')
# The same program but for an epsilon and where it pads.
LIKE_I3D = ('i3d_hassony2', 'i3d_piergiaj', 'i3d_deepmind')
OF_TASKS = ('vivit_b', 'swin_t', 'i3d')


def all_combinations() -> Iterator[combinations.Combination]:
  """Yields what is exported."""
  for backbone, task in itertools.product(OF_TASKS, TASKS):
    yield combinations.Combination(backbone, 'full', task)
  added = [m for m in methods.METHODS if m not in FREE]
  backbones = [b for b in combinations.architectures() if b not in LIKE_I3D]
  for method, backbone in itertools.product(added, backbones):
    yield combinations.Combination(backbone, method, 'classification')


def subject(
  one: combinations.Combination, root: epath.Path
) -> subject_lib.Subject:
  """Returns a combination with random weights."""
  config = combinations.config_of(one, root)
  infos = experiment.infos(config)
  built = experiment.build(config, infos)
  resolved = {name: task.resolved() for name, task in built.tasks.items()}
  spec = json.loads(json.dumps(spec_lib.describe(config, infos, resolved)))
  params = {}
  for path, each in variables.flatten(built.variables).items():
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    drawn = rng.normal(scale=0.2, size=each.shape).astype(np.float32)
    # Variances are positive.
    statistic = variables.is_statistic(path)
    params[path] = np.abs(drawn) + 0.5 if statistic else drawn
  return subject_lib.Subject(spec, params, next(iter(spec['tasks'])), str(one))


def attempt(
  one: combinations.Combination, root: epath.Path, chosen: Iterable[str]
) -> dict[str, dict[str, str | float]]:
  """Returns target -> 'share', the difference; or 'reason', why not."""
  try:
    made = subject(one, root)
    noise = films.Clips(films.noise(made), 'noise')
  except Exception as error:
    if not mistakes.is_mistake(error):
      raise
    return {'': {'reason': str(error)}}
  return {name: _target(name, made, noise, root) for name in chosen}


def _target(name, made, noise, root) -> dict[str, str | float]:
  folder = root / f'out-{name}'
  folder.mkdir(parents=True, exist_ok=True)
  target = parts.load(targets, name, 'EXAMPLE', '--to')
  try:
    target.write(made, folder)
    found = comparing.compare(made, target.reader(made, folder), noise)
  except Exception as error:
    return {'reason': f'{type(error).__name__}: {error}'.partition('\n')[0]}
  finally:
    shutil.rmtree(folder, ignore_errors=True)
  return {'share': found.largest / max(1.0, found.scale)}


def report(rows: Iterable[Mapping[str, str]]) -> str:
  """Returns Markdown: the largest difference of each, and the reasons."""
  cells: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
  reasons: dict[str, list[str]] = collections.defaultdict(list)
  for row in rows:
    key = row['backbone'], _row(row)
    for target, found in row['found'].items():
      if 'reason' in found:
        words = found['reason'].replace('|', '/')
        reasons[f'{target}: {words}' if target else words].append(
          f'{row["backbone"]}, {_row(row)}'
        )
      cells[key].append(_cell(found))
  backbones = list(dict.fromkeys(b for b, _ in cells))
  table = [
    [f'`{m}`', *(' '.join(cells.get((b, m), ())) for b in backbones)]
    for m in dict.fromkeys(m for _, m in cells)
  ]
  why = [[r, str(len(n)), n[0]] for r, n in reasons.items()]
  return '\n\n'.join(
    [
      tables.markdown(['', *(f'`{b}`' for b in backbones)], table),
      tables.markdown(['reason', 'times', 'for example'], why),
    ]
  )


def _row(row: Mapping[str, str]) -> str:
  task = row['task']
  return row['method'] if task == 'classification' else task


def _cell(found: Mapping[str, str | float]) -> str:
  """Returns the exponent of ten that a difference is below, '-' for none."""
  if 'reason' in found:
    return '-'
  share = max(found['share'], 1e-9)
  return f'{int(np.ceil(np.log10(share)))}'


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('out', None, 'Folder for films and results.')
  flags.DEFINE_string('only', '', 'Takes those that have this in their name.')
  flags.DEFINE_list('to', list(TARGETS), 'Which targets.')
  flags.mark_flag_as_required('out')


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  root = epath.Path(args.out).absolute()
  if not (root / 'labels.csv').exists():
    root.mkdir(parents=True, exist_ok=True)
    combinations.draw(root)
  results = root / 'exports.jsonl'
  done = _read(results)
  wanted = [one for one in all_combinations() if args.only in str(one)]
  with results.open('a') as file:
    for number, one in enumerate(tqdm.tqdm(wanted, unit='export')):
      if str(one) in done:
        continue
      row = {**dataclasses.asdict(one), 'found': attempt(one, root, args.to)}
      file.write(json.dumps(row) + '\n')
      file.flush()
      done[str(one)] = row
      if number % 10 == 9:  # Hundreds of programs would all stay in memory.
        jax.clear_caches()
  text = report(done.values())
  (root / 'exports.md').write_text(text + '\n')
  print(text)


def _read(path: epath.Path) -> dict[str, dict]:
  if not path.exists():
    return {}
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  return {f'{r["backbone"]} {r["method"]} {r["task"]}': r for r in rows}


if __name__ == '__main__':
  cli.run(define_flags, main)
