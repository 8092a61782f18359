"""What runs and prepared records leave, in a form that can be compared."""

from __future__ import annotations

import collections
import csv
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from etils import epath
from tensorboard.backend.event_processing import event_file_loader

from launch.chaos import digest
from vidpetl.data import sources
from vidpetl.parameters import package, storage

# What no two runs have alike.
_TIMES = ('speed/', 'seconds', 'device/', 'time')
# Texts of TensorBoard, which each start writes at the step where it goes on.
_AT_STARTS = ('config', 'parameters')
_TABLES = ('predictions', 'per_class')

Left = dict[str, Any]


def by_runs(folder: epath.Path) -> Left:
  """Returns what all runs below a folder left, and tables about them."""
  found: Left = {}
  for root, _, names in os.walk(folder):
    here = epath.Path(root)
    where = here.relative_to(folder).as_posix()
    if 'metrics.jsonl' in names:
      found |= {f'{where}/{k}': v for k, v in by_run(here).items()}
    for name in {'sweep.json', 'folds.md'} & set(names):
      text = (here / name).read_text().replace(str(folder), '')
      found[f'{where}/{name}'] = text
  return found


def by_run(folder: epath.Path) -> Left:
  """Returns what a run left: name -> what is to be equal."""
  found: Left = dict(points(folder))
  found['results.json'] = _json(folder / 'results.json')
  found['results_eval.json'] = _json(folder / 'results_eval.json')
  lines = folder / 'evaluations.jsonl'
  if lines.exists():
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    found['evaluations.jsonl'] = _timeless(rows)
  found['the last checkpoint'] = digest.of(storage.load_changing(str(folder)))
  if (folder / 'adapter').exists():
    packed = package.load(folder / 'adapter')
    found['adapter'] = digest.of([packed.config, packed.params])
  for name in _TABLES:
    if (folder / name).exists():
      found |= _tables(folder / name)
  return found


def _json(path: epath.Path) -> Any:
  return _timeless(json.loads(path.read_text())) if path.exists() else None


def _timeless(value: Any) -> Any:
  if isinstance(value, Mapping):
    kept = [k for k in value if not k.startswith(_TIMES)]
    return {k: _timeless(value[k]) for k in kept}
  return list(map(_timeless, value)) if isinstance(value, list) else value


def points(folder: epath.Path) -> Iterator[tuple[str, Any]]:
  """Yields the curves, and what is twice in them."""
  curves = {
    'metrics.jsonl': _lines(folder / 'metrics.jsonl'),
    'TensorBoard': _events(folder),
  }
  for name, points in curves.items():
    kept = [p for p in points if not p[1].startswith(_TIMES)]
    times = collections.Counter((step, tag) for step, tag, _ in kept)
    twice = [f'{tag} of step {s}' for (s, tag), n in times.items() if n > 1]
    yield name, {f'{tag} of step {s}': value for s, tag, value in kept}
    yield f'{name}, twice', sorted(twice)


def _lines(path: epath.Path) -> Iterator[tuple[int, str, Any]]:
  for line in path.read_text().splitlines():
    row = json.loads(line)
    yield from ((row['step'], tag, row[tag]) for tag in row if tag != 'step')


def _events(folder: epath.Path) -> Iterator[tuple[int, str, Any]]:
  for path in sorted(folder.glob('events.out.tfevents.*')):
    for event in event_file_loader.EventFileLoader(str(path)).Load():
      for value in event.summary.value:
        if value.tag not in _AT_STARTS:
          yield event.step, value.tag, 'there'


def _tables(folder: epath.Path) -> Left:
  """Returns the csv files of a folder, by name."""
  return {
    f'{folder.name}/{path.name}': list(csv.reader(path.read_text().split('\n')))
    for path in sorted(folder.glob('*.csv'))
  }


def by_prepare(folder: epath.Path) -> Left:
  """Returns what records hold; the bytes of their files count, too."""
  found: Left = {}
  for name in sorted(p.name for p in folder.iterdir()):
    for split in ('train', 'val'):
      source = sources.open_source(
        {
          'source': 'records',
          'path': str(folder),
          'dataset': name,
          'split': split,
        }
      )
      examples = [(source[i], source.video(i)) for i in range(len(source))]
      found[f'{name}, {split}'] = digest.of(examples)
    for path in sorted((folder / name).glob('*/*')):
      if 'record' in path.name or path.suffix in ('.npz',):
        found[path.name] = digest.of(path.read_bytes())
  return found


def differences(left: Left, wanted: Left) -> list[str]:
  """Returns in what something differs, with both values."""
  found = []
  for name in sorted(left.keys() | wanted.keys()):
    if left.get(name) != wanted.get(name):
      found.append(f'{name}: {_shown(left.get(name), wanted.get(name))}')
  return found


def _shown(found: Any, wanted: Any) -> str:
  if isinstance(found, Mapping) and isinstance(wanted, Mapping):
    keys = sorted(found.keys() | wanted.keys())
    differing = [k for k in keys if found.get(k) != wanted.get(k)]
    first = differing[0]
    return (
      f'{len(differing)} of {len(keys)}, as {first}: '
      f'{str(found.get(first))[:60]}, not {str(wanted.get(first))[:60]}'
    )
  return f'{str(found)[:80]}, not {str(wanted)[:80]}'
