"""Every backbone with every method on every task, for two steps each.

  python launch/combinations.py --out=combinations [--only=lora]

Takes the small twins of all presets, configs/adapt.py, and tiny drawn films.
A combination trains and saves, or is refused at start-up with a reason;
anything else is an error of the program. Leaves combinations.jsonl, with which
the same command goes on, and combinations.md. All of them take an hour of a
core; --only=WORD takes those that have the word in their name. --build builds
models of all methods for classification and trains none, in minutes, and has a
row for each backbone.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import tqdm
from absl import app, flags, logging
from etils import epath

from vidpetl import cli, mistakes, tables, world
from vidpetl.experiment import complete, experiment
from vidpetl.recipes import crops, methods, named, presets
from vidpetl.training import loop

# Task -> data of the drawn world, and further arguments.
TASKS = {
  'classification': ('hmdb51_1', ''),
  'multilabel': ('{root}/labels.csv', ''),
  'localisation': ('ava', ''),
  'quality.usdl': ('mtl_aqa', 'segments=2'),
  'quality.core': ('mtl_aqa', 'segments=2'),
  'quality.tsa': ('finediving', 'segments=2'),
  'pretext.vspp': ('hmdb51_1', ''),
  'pretext.pace': ('hmdb51_1', ''),
  'pretext.rspnet': ('hmdb51_1', ''),
}
DATASETS = ('hmdb51', 'ava', 'mtl_aqa', 'finediving')


@dataclasses.dataclass(frozen=True)
class Combination:
  """What is tried.

  Attributes:
    backbone: name of a preset.
    method: of `recipes.methods`.
    task: of `TASKS`.
  """

  backbone: str
  method: str
  task: str

  def __str__(self) -> str:
    return f'{self.backbone} {self.method} {self.task}'


def architectures() -> list[str]:
  """Returns presets whose small twins differ, the first of each kind."""
  found: dict[str, str] = {}
  for name, preset in presets.all_presets().items():
    twin = {**preset.fields, **preset.tiny}
    found.setdefault(json.dumps(twin, sort_keys=True), name)
  return list(found.values())


def kinds() -> list[str]:
  """Returns a preset of each kind of backbone, whose sites are alike."""
  found: dict[tuple[str, str | None], str] = {}
  for name in architectures():
    fields = presets.find(name).fields
    found.setdefault((fields['name'], fields.get('kind')), name)
  return list(found.values())


def pairs() -> Iterator[Combination]:
  """Yields every method on each kind of backbone."""
  for backbone, method in itertools.product(kinds(), methods.METHODS):
    yield Combination(backbone, method, 'classification')


def all_combinations() -> Iterator[Combination]:
  """Yields every one, by backbone, method, task."""
  for one in itertools.product(architectures(), methods.METHODS, TASKS):
    yield Combination(*one)


def draw(root: epath.Path) -> None:
  """Draws the films, and a table of clips with several labels."""
  world.write(root, size='tiny', datasets=DATASETS)
  videos = sorted((root / 'hmdb51' / 'videos').glob('*/*'))
  rows = [
    f'{path.relative_to(root)},{path.parent.name}|any,{split}'
    for i, path in enumerate(videos)
    for split in ('train' if i % 2 else 'val',)
  ]
  table = '\n'.join(['path,label,split', *rows, ''])
  (root / 'labels.csv').write_text(table)


def config_of(one: Combination, root: epath.Path) -> Any:
  """Returns the config of a combination: a few steps of a tiny twin."""
  data, more = TASKS[one.task]
  arguments = [
    f'data={data.format(root=root)}',
    f'raw={root}',
    f'backbone={one.backbone}',
    f'method={one.method}',
    f'task={one.task}',
    'small',
    'batch=2',
    *filter(None, [more]),
  ]
  config = named.load('adapt:' + ','.join(arguments))
  config = config.copy_and_resolve_references().unlock()
  preset = presets.find(one.backbone)
  config.backbone.update(preset.tiny)
  config.steps, config.log_every, config.checkpoint.every = 2, 1, 100
  config.optimizer.warmup_epochs = 0.0
  config.checkpoint.best = ''
  config.input.workers = 2
  for task in config.tasks.values():
    _shrink(task, preset.tiny_frames)
    del task.eval
  return complete.complete(config)


def _shrink(task: Any, frames: int) -> None:
  task.clip.update(crops.at(task.clip, 32))
  task.clip.frames = frames
  if task.task.startswith('quality.'):
    task.length, task.starts = frames, (0, frames)
    task.clip.frames = 2 * frames
  if task.task == 'quality.tsa':
    task.update(widths=(4,), heads=2)
  if task.task == 'pretext.rspnet':
    task.queue = 8
  if task.task == 'localisation':
    task.pool, task.pictures = (2, 2), 0


def train(one: Combination, root: epath.Path) -> None:
  """Trains a combination for its steps."""
  workdir = root / f'run-{os.getpid()}'
  try:
    loop.run(config_of(one, root), str(workdir))
  finally:
    shutil.rmtree(workdir, ignore_errors=True)


def build(one: Combination, root: epath.Path) -> None:
  """Builds the model of a combination; nothing is computed."""
  config = config_of(one, root)
  experiment.build(config, experiment.infos(config))


# What is done with a combination -> what it then is.
_DONE = {train: 'trained', build: 'built'}


def attempt(
  one: Combination, root: epath.Path, do: Callable[..., None] = train
) -> dict[str, str]:
  """Returns 'outcome': trained or built, refused, failed; and the 'reason'."""
  try:
    do(one, root)
  except Exception as error:
    if mistakes.is_mistake(error):
      return {'outcome': 'refused', 'reason': str(error)}
    traceback.print_exc()
    return {'outcome': 'failed', 'reason': f'{type(error).__name__}: {error}'}
  return {'outcome': _DONE[do], 'reason': ''}


def report(rows: Iterable[Mapping[str, str]]) -> str:
  """Returns Markdown: what works where, and why the rest is refused."""
  cells: dict[tuple[str, str], dict[str, str]] = collections.defaultdict(dict)
  reasons: dict[str, list[str]] = collections.defaultdict(list)
  for row in rows:
    cells[row['method'], row['backbone']][row['task']] = row['outcome']
    if row['outcome'] in ('refused', 'failed'):
      words = f'{row["backbone"]}, {row["method"]}, {row["task"]}'
      reasons[_kind_of(row['reason'])].append(words)
  backbones = list(dict.fromkeys(b for _, b in cells))
  header = ['', *(f'`{b}`' for b in backbones)]
  table = [
    [f'`{method}`', *(_cell(cells.get((method, b), {})) for b in backbones)]
    for method in dict.fromkeys(m for m, _ in cells)
  ]
  if len(backbones) > len(table):
    header, *table = map(list, zip(header, *table, strict=True))
  refused = [
    [reason, str(len(names)), names[0]]
    for reason, names in sorted(reasons.items(), key=lambda r: -len(r[1]))
  ]
  return '\n\n'.join(
    [
      tables.markdown(header, table),
      tables.markdown(['reason', 'combinations', 'for example'], refused),
    ]
  )


def _cell(outcomes: Mapping[str, str]) -> str:
  """Returns 'all', or how many of the tasks trained; 'built' of those."""
  if set(outcomes.values()) == {'built'}:
    return 'built'
  trained = sum(outcome in _DONE.values() for outcome in outcomes.values())
  if not outcomes or trained == len(outcomes):
    return 'all' if outcomes else ''
  return f'{trained} of {len(outcomes)}' if trained else '-'


def _kind_of(reason: str) -> str:
  """Returns a reason without what differs from one to the next."""
  first = reason.partition('. Its')[0].partition('; its')[0].partition('\n')[0]
  first = re.sub(r'config\.tasks\.\w+', 'config.tasks.…', first)
  return re.sub(r'\(\d[\d, ()]*\)', '(…)', first).replace('|', '/')


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('out', None, 'Folder for films and results.')
  flags.DEFINE_string('only', '', 'Takes those that have this in their name.')
  flags.DEFINE_bool('build', False, 'Builds models, and trains none.')
  flags.DEFINE_integer('part', 0, 'Which of --parts to take.')
  flags.DEFINE_integer('parts', 1, 'Into how many processes it is divided.')
  flags.mark_flag_as_required('out')


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a combination failed."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  root = epath.Path(args.out).absolute()
  root.mkdir(parents=True, exist_ok=True)
  draw(root)
  mine = [
    one
    for i, one in enumerate(pairs() if args.build else all_combinations())
    if i % args.parts == args.part and args.only in str(one)
  ]
  do = build if args.build else train
  suffix = f'-{args.part}' if args.parts > 1 else ''
  suffix = '-built' * args.build + suffix
  results = root / f'combinations{suffix}.jsonl'
  done = _read(results)
  with results.open('a') as file:
    for number, one in enumerate(tqdm.tqdm(mine, unit='run')):
      if str(one) in done:
        continue
      row = {**dataclasses.asdict(one), **attempt(one, root, do)}
      file.write(json.dumps(row) + '\n')
      file.flush()
      done[str(one)] = row
      if number % 20 == 19:  # Hundreds of programs would all stay in memory.
        jax.clear_caches()
  text = report(done.values())
  (root / f'combinations{suffix}.md').write_text(text + '\n')
  print(text)
  return int(any(row['outcome'] == 'failed' for row in done.values()))


def _read(path: epath.Path) -> dict[str, dict[str, str]]:
  if not path.exists():
    return {}
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  return {f'{r["backbone"]} {r["method"]} {r["task"]}': r for r in rows}


if __name__ == '__main__':
  sys.exit(cli.run(define_flags, main))
