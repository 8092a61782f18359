"""Devices and processes that a run is divided over, and moved between."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

from etils import epath

from launch.chaos import commands, small, tally

_STEPS, _CUT = 8, 4
# What the order of a sum may change of a loss.
_CLOSE = 1e-5


@dataclasses.dataclass(frozen=True)
class Topology:
  """Where a run is computed.

  Attributes:
    processes: how many.
    devices: of each.
    fsdp: over how many of them parameters are divided.
  """

  processes: int = 1
  devices: int = 1
  fsdp: int = 1

  def words(self, config: epath.Path, folder: epath.Path) -> list[str]:
    """Returns what stands behind `python -m`."""
    words = [f'--config={config}', f'--workdir={folder}']
    words.append(f'--config.mesh.fsdp={self.fsdp}')
    if self.processes == 1:
      return ['vidpetl.main', *words]
    launched = f'--processes={self.processes}', f'--devices={self.devices}'
    return ['launch.multiprocess', *launched, '--', *words]


ONE, FOUR = Topology(), Topology(devices=4)
PAIRS, DIVIDED = Topology(2, 2), Topology(devices=4, fsdp=2)
MOVES = {
  '4 devices': (FOUR,),
  '2 processes of 2 devices': (PAIRS,),
  'fsdp=2 on 4 devices': (DIVIDED,),
  '4 devices, then 1': (FOUR, ONE),
  '4 devices, then 2x2': (FOUR, PAIRS),
  '1 device, then 2x2': (ONE, PAIRS),
  '2x2, then 1': (PAIRS, ONE),
  '4 devices, then fsdp=2': (FOUR, DIVIDED),
}


def run(count: int, seed: int, out: epath.Path, counts: tally.Tally) -> None:
  """Trains on every topology, and compares losses with those of one device."""
  del seed
  folder = out / 'topologies'
  made = small.config(
    small.films(folder),
    every=_CUT,
    steps=_STEPS,
    batch_size=4,
    checkpoint__every=_CUT,
  )
  config = small.write(made, folder / 'config.py')
  wanted = _losses(_through(config, folder / 'one', (ONE,)))
  for name, topologies in list(MOVES.items())[:count]:
    outcome = _outcome(config, folder / name.replace(' ', '_'), topologies)
    if isinstance(outcome, dict):
      outcome = _compared(outcome, wanted)
    counts.add('topologies', outcome, moved=name, folder=str(folder))
    counts.say('topologies')


def _outcome(config, folder, topologies) -> tally.Outcome | dict:
  try:
    return _losses(_through(config, folder, topologies))
  except RuntimeError as error:
    return tally.Outcome('differs', str(error))


def _through(
  config: epath.Path, folder: epath.Path, topologies: tuple[Topology, ...]
) -> epath.Path:
  """Trains on one topology after the other; returns the folder of the run."""
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  run = folder / 'run'
  for topology in topologies:
    if run.exists():
      small.cut_back(run, _CUT)
    words = topology.words(config, run)
    devices = topology.devices if topology.processes == 1 else 1
    done = commands.run(words, run, folder / 'log', devices=devices)
    if done.code:
      raise RuntimeError(f'{topology}: exit {done.code}: {done.output}')
  return run


def _losses(run: epath.Path) -> dict[str, float]:
  rows = map(json.loads, (run / 'metrics.jsonl').read_text().splitlines())
  return {
    f'{tag} of step {row["step"]}': row[tag]
    for row in rows
    for tag in row
    if tag.endswith('/loss')
  }


def _compared(
  found: dict[str, float], wanted: dict[str, float]
) -> tally.Outcome:
  if found.keys() != wanted.keys():
    return tally.Outcome('differs', f'{len(found)} losses, not {len(wanted)}')
  differing = [
    f'{name}: {found[name]}, not {value}'
    for name, value in wanted.items()
    if not math.isclose(found[name], value, rel_tol=_CLOSE)
  ]
  return tally.Outcome('differs' if differing else 'same', '; '.join(differing))
