"""What a run has left: as it is read when it goes on, and by reports."""

from __future__ import annotations

import json
import shutil
from typing import Any

from etils import epath

from launch.chaos import bench, small
from vidpetl import lock
from vidpetl.studies import recorded
from vidpetl.training import loop, reporting
from vidpetl.training.writers import events, json_lines

_EVERY = 4
_STEPS = 2 * _EVERY


def _make(folder: epath.Path) -> None:
  """Writes what a run leaves, but for checkpoints and package."""
  drawn = small.films(folder.parent)
  whole = folder.parent / 'trained'
  loop.run(small.config(drawn, every=_EVERY, steps=_STEPS), str(whole))
  left_out = shutil.ignore_patterns('checkpoints', 'adapter')
  shutil.copytree(whole, folder, ignore=left_out, dirs_exist_ok=True)


def _resumed(folder: epath.Path) -> Any:
  """Reads it as training does that goes on in the middle."""
  evaluations = reporting.Evaluations(folder, _EVERY, write=False)
  points = json_lines.forget_after(folder / json_lines.FILE, _EVERY)
  return [
    [(one.step, one.found) for one in evaluations.all()],
    [sorted(some) for some in points],
    sorted(events.keep(folder, lambda step, tag: step <= _EVERY)),
  ]


def _reported(folder: epath.Path) -> Any:
  """Reads it as `vidpetl report` and `vidpetl figures` do."""
  run = recorded.Recorded(folder, 'run')
  return [
    *(run.config, run.results, run.check, run.command, run.tasks),
    *(run.evaluations(), run.chosen_among(), run.training()),
    *(run.per_class(small.TASK, _STEPS), run.predictions(small.TASK, _STEPS)),
    run.arrays(small.TASK, _STEPS),
  ]


def _lock(folder: epath.Path) -> None:
  """Writes the lock of a process that has ended."""
  path = folder / lock.FILE
  with lock.hold(folder):
    found = json.loads(path.read_text())
  # There is no process of such a number.
  path.write_text(json.dumps({**found, 'process': 2**22 + 1}))


def _taken(folder: epath.Path) -> str:
  """Holds the folder."""
  lock.WATCHED = 0.0  # A damaged lock may be of any machine.
  with lock.hold(folder):
    return 'taken'


READERS = (
  bench.Reader(
    'run that goes on',
    _make,
    _resumed,
    damaged=('*.jsonl', 'events.*'),
    writes=True,
  ),
  bench.Reader(
    'run that is reported',
    _make,
    _reported,
    damaged=('*.json', '*.jsonl', '*.csv', '*.npz', '*.txt'),
    checked=('*.npz',),
  ),
  bench.Reader('lock of a folder', _lock, _taken, writes=True),
)
