"""Damage to the newest checkpoint, from which a run is to go on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from etils import epath

from launch.chaos import bench as bench_lib
from launch.chaos import left, small, tally
from vidpetl.recipes import named
from vidpetl.training import loop

_EVERY, _STEPS, _CUT = 4, 24, 20
_PART = 'damage: the newest checkpoint'
_WAYS: dict[str, Callable[[bytes], bytes | None]] = {
  'deleted': lambda data: None,
  'empty': lambda data: b'',
  'half': lambda data: data[: len(data) // 2],
  'zeros': lambda data: bytes(len(data)),
  'a bit': lambda data: _flipped(data),
}


def _flipped(data: bytes) -> bytes:
  middle = len(data) // 2
  changed = bytes([data[middle] ^ 1]) if data else b''
  return data[:middle] + changed + data[middle + 1 :]


def _make(folder: epath.Path) -> None:
  """Writes a run that has saved twice, and has steps left."""
  made = small.config(
    small.films(folder),
    every=2 * _EVERY,
    steps=_STEPS,
    checkpoint__every=_EVERY,
  )
  made.checkpoint.keep = 3
  small.write(made, folder / 'config.py')
  _read(folder)
  small.cut_back(folder / 'run', _CUT)


def _read(folder: epath.Path) -> Any:
  """Goes on with the run, and returns what it leaves."""
  config = named.load(str(folder / 'config.py'))
  loop.run(config, str(folder / 'run'))
  return left.by_run(folder / 'run')


READER = bench_lib.Reader(
  _PART,
  _make,
  _read,
  checked=('*',),
  writes=True,
  seconds=120.0,
  memory=16 << 30,
)


def run(count: int, seed: int, out: epath.Path, counts: tally.Tally) -> None:
  """Damages each file in every way.

  Args:
    count: of damages; 0 for all there are.
    seed: of those that are chosen.
    out: folder for the run.
    counts: gets the outcomes.
  """
  bench = bench_lib.Bench(READER, out / 'damage')
  newest = f'run/checkpoints/{_CUT}/'
  cases = [
    (file, way)
    for file in bench.files
    if file.startswith(newest)
    for way in _WAYS
  ]
  if count:
    cases = random.Random(seed).sample(cases, min(count, len(cases)))
  try:
    for file, way in cases:
      outcome = bench.attempt(file, _WAYS[way])
      counts.add(_PART, outcome, case=[file.removeprefix(newest), way])
    counts.say(_PART)
  finally:
    bench.close()
