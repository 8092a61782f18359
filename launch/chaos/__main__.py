"""Kills runs, damages files, and tries topologies; says what held.

  python -m launch.chaos --out=chaos [--only=kills,files] [--scale=small]

Parts:
  kills       training, evaluation, prepare, sweep and folds are killed at
              random moments, and the same command goes on; what they leave is
              compared with what an unbroken one leaves
  damage      each file of the newest checkpoint is damaged, and the run goes on
  files       files of every reader are damaged, as hypothesis draws it, and
              read within limits of time and memory
  topologies  devices and processes that a run is divided over, and moved
              between, as it goes on

A failure is: other values, although the file has a checksum; an error that does
not name the file; a traceback; no end; much memory; a process that dies; a run
that leaves something else. `other, unchecked` are values that no format can
check. The table is printed; failures.json and the damaged files are below
<out>/failures. It ends with status 1 if something failed.

`--scale=whole` takes an hour of two cores; `--scale=small` a few minutes.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import cli

with epy.lazy_imports():
  from launch.chaos import damage, fuzzing, kills, readers, tally, topologies


@dataclasses.dataclass(frozen=True)
class Scale:
  """How much is tried.

  Attributes:
    kills: of each command.
    files: of each reader.
    damages: of the checkpoint; 0 is every file in every way.
    topologies: how many of them.
  """

  kills: int
  files: int
  damages: int
  topologies: int


SCALES = {
  'small': Scale(kills=1, files=6, damages=6, topologies=2),
  'whole': Scale(kills=12, files=45, damages=0, topologies=99),
}


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('out', None, 'Folder for runs, samples and failures.')
  flags.DEFINE_list('only', list(_PARTS), 'Which parts.')
  flags.DEFINE_list('named', [], 'Only readers and killed commands so named.')
  flags.DEFINE_integer('seed', 0, 'Of what is drawn.')
  flags.DEFINE_enum('scale', 'whole', list(SCALES), 'How much is tried.')
  flags.mark_flag_as_required('out')


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if something failed."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  unknown = set(args.only) - _PARTS.keys()
  if unknown:
    raise app.UsageError(f'--only={",".join(unknown)}: no such part')
  logging.set_verbosity(logging.ERROR)
  out = epath.Path(args.out).absolute()
  out.mkdir(parents=True, exist_ok=True)
  counts = tally.Tally(out)
  notes = []
  for part in args.only:
    notes += _PARTS[part](SCALES[args.scale], args.seed, out, counts) or []
    print(counts.write(), flush=True)
  print('\n'.join(['', *notes]))
  return int(bool(counts.failed))


def _files(
  scale: Scale, seed: int, out: epath.Path, counts: tally.Tally
) -> list[str]:
  chosen = _named(readers.everything())
  return fuzzing.run(chosen, scale.files, seed, out, counts)


def _kills(
  scale: Scale, seed: int, out: epath.Path, counts: tally.Tally
) -> None:
  kills.run(scale.kills, seed, out, counts, _named(kills.COMMANDS))


def _named(everything: Sequence[Any]) -> list[Any]:
  """Returns those with one of the words of --named in their name."""
  words = flags.FLAGS.named
  return [
    one
    for one in everything
    if not words or any(word in one.name for word in words)
  ]


_PARTS: dict[str, Callable] = {
  'kills': _kills,
  'damage': lambda scale, *rest: damage.run(scale.damages, *rest),
  'files': _files,
  'topologies': lambda scale, *rest: topologies.run(scale.topologies, *rest),
}

if __name__ == '__main__':
  sys.exit(cli.run(define_flags, main))
