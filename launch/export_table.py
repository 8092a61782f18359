"""Every backbone with every method, exported to every target, and compared.

  python launch/export_table.py --out=exports [--only=lora] [--to=jax,onnx]

Takes the small twins of all presets with random weights and noise for clips; of
each task, three backbones more. Leaves exports.jsonl, with which the same
command goes on, and exports.md: the largest difference from the run, as a share
of the largest value, or why there is no export.
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
# They bind nothing, as `head` does: the program is the same.
LIKE_HEAD = ('full', 'layer_norm', 'bitfit')
TASKS = tuple(t for t in combinations.TASKS if t != 'classification')
OF_TASKS = ('vivit_b', 'swin_t', 'i3d')
NO_RUN = ''
Found = dict[str, dict[str, str | float]]


def all_combinations() -> Iterator[combinations.Combination]:
  """Yields what is exported."""
  added = [m for m in methods.METHODS if m not in LIKE_HEAD]
  architectures = combinations.architectures()
  for method, backbone in itertools.product(added, architectures):
    yield combinations.Combination(backbone, method, 'classification')
  for backbone, task in itertools.product(OF_TASKS, TASKS):
    yield combinations.Combination(backbone, 'head', task)


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
) -> Found:
  """Returns target -> 'share', the difference; or 'reason', why not.

  What no run can have is under `NO_RUN`.
  """
  try:
    made = subject(one, root)
    noise = films.Clips(films.noise(made), 'noise')
  except Exception as error:
    if not mistakes.is_mistake(error):
      raise
    return {NO_RUN: {'reason': str(error)}}
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


def report(known: Mapping[combinations.Combination, Found]) -> str:
  """Returns Markdown: the differences of each target, and the reasons."""
  chosen = [t for t in TARGETS if any(t in found for found in known.values())]
  tables_of = [f'`{t}`:\n\n{_table(known, t)}' for t in chosen]
  reasons: dict[str, list[str]] = collections.defaultdict(list)
  for one, found in known.items():
    for target, each in found.items():
      if 'reason' in each:
        words = each['reason'].replace('|', '/')
        words = f'`{target}`: {words}' if target else words
        reasons[words].append(f'{one.backbone}, {_row(one)}')
  why = [[r, str(len(n)), n[0]] for r, n in reasons.items()]
  last = tables.markdown(['reason', 'times', 'for example'], why)
  return '\n\n'.join([*tables_of, last])


def _table(known: Mapping[combinations.Combination, Found], target: str) -> str:
  """Returns the differences of a target: backbones down, techniques across."""
  cells = {
    (one.backbone, _row(one)): _cell(found[target])
    for one, found in known.items()
    if target in found
  }
  rows = list(dict.fromkeys(_row(one) for one in known))
  rows = [row for row in rows if any(row == r for _, r in cells)]
  backbones = dict.fromkeys(b for b, _ in cells)
  return tables.markdown(
    ['', *(f'`{row}`' for row in rows)],
    [[f'`{b}`', *(cells.get((b, r), '') for r in rows)] for b in backbones],
  )


def _row(one: combinations.Combination) -> str:
  return one.method if one.task == 'classification' else one.task


def _cell(found: Mapping[str, str | float]) -> str:
  """Returns a difference as 2e-7, '-' where there is no export."""
  if 'reason' in found:
    return '-'
  mantissa, exponent = f'{found["share"]:.0e}'.split('e')
  return f'{mantissa}e{int(exponent)}' if found['share'] else '0'


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
  known = _read(results)
  wanted = [one for one in all_combinations() if args.only in str(one)]
  with results.open('a') as file:
    for number, one in enumerate(tqdm.tqdm(wanted, unit='export')):
      found = known.setdefault(one, {})
      missing = [t for t in args.to if t not in found]
      if NO_RUN in found or not missing:
        continue
      found |= attempt(one, root, missing)
      row = {**dataclasses.asdict(one), 'found': found}
      file.write(json.dumps(row) + '\n')
      file.flush()
      if number % 10 == 9:  # Hundreds of programs would all stay in memory.
        jax.clear_caches()
  text = report(known)
  (root / 'exports.md').write_text(text + '\n')
  print(text)


def _read(path: epath.Path) -> dict[combinations.Combination, Found]:
  """Returns what was measured; a later line has what an earlier one has."""
  if not path.exists():
    return {}
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  return {
    combinations.Combination(r['backbone'], r['method'], r['task']): r['found']
    for r in rows
  }


if __name__ == '__main__':
  cli.run(define_flags, main)
