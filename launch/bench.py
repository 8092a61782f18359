"""How fast training steps are: presets and methods, next to PyTorch's.

  python launch/bench.py --out=bench --presets=videomae_b,swin_b --methods=all
  python launch/bench.py --small            # tiny clips, for a CPU
  python launch/bench.py --peer=torch       # PyTorch's steps in between
  python launch/bench.py --peer=eager       # not compiled by torch.compile
  python launch/bench.py --compiled=v5e-1   # by a compiler, without the device

A row is one step of training on a batch of noise: bytes of frames in,
normalising and mirroring, forward, backward, AdamW. `--peer=torch` takes the
same step of the same net in PyTorch (`bench_peer.py`), compiled by
torch.compile and not, with its fused attention and fused AdamW. Both are run in
turns: a turn is as many steps as take `--seconds`; a time is the median of the
turns, a ratio the median of the ratios of neighbouring turns.

`--clock` says what a time is. 'wall' is that of the clock. 'cpu', the default
on a CPU, is the processor's time for a step on one thread, of XLA and PyTorch
alike: other programs on the machine move it little. Wall time is kept, too.

MFU is the FLOPs of the matrix products and convolutions that the step needs
(`vidpetl.studies.flops.products`: a multiply-add is two, nothing recomputed
counts, and neither do gradients of frozen weights), over its time and over what
the device does at most (`--peak`, in TFLOP/s; else what a large bfloat16
product reaches there and then).

`--compiled` runs nothing: it asks a device's compiler (`bench_compiled.py`).

Writes one json per device into `--out`, a row at a time, in place of those of
the same names there; prints the table as it grows. A row that fails is in it
with its error. Each preset has a process of its own, and another one if that
dies, as it does for want of memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import bench_cases
import bench_compiled
from bench_cases import CLOCKS, Asked, Case

HERE = pathlib.Path(__file__).resolve().parent
STEPS = HERE / 'bench_steps.py'
PEERS = ('compile', 'eager')  # Of PyTorch.
ONE_THREAD = {
  'OMP_NUM_THREADS': '1',
  'XLA_FLAGS': '--xla_cpu_multi_thread_eigen=false',
}
COLUMNS = (
  'preset', 'method', 'batch', 'ms', 'clips/s', 'MFU, %', 'memory, GiB',
  'compile, s', 'torch.compile, ms', 'ratio', 'eager, ms', 'ratio',
)  # fmt: skip


def main() -> None:
  """Runs the command line."""
  args = parse()
  if args.compiled:
    args.dtype = args.dtype or 'bfloat16'
    bench_compiled.run(cases(args), args.compiled, args.out)
    return
  about = facts(args)
  args.clock = about['clock']
  args.peak = args.peak or about['peak']
  args.dtype = args.dtype or (
    'float32' if 'cpu' in about['device'].lower() else 'bfloat16'
  )
  path = args.out / f'{about["device"].replace(" ", "_")}.json'
  kept = bench_cases.Kept(path, about)
  print(f'{about["device"]}, jax {about["jax"]}, {args.dtype}, by the '
        f'{args.clock} clock; a product runs at {about["peak"]:.4g} TFLOP/s'
        '\n')  # fmt: skip
  print('| ' + ' | '.join(COLUMNS) + ' |')
  print('|---' * len(COLUMNS) + '|', flush=True)
  for _, some in itertools.groupby(cases(args), lambda case: case.preset):
    for found in rows(some, args):
      kept.add(found)
      print('|', ' | '.join(cells(found, args.peak)), '|', flush=True)


def parse() -> argparse.Namespace:
  """Returns what is asked for; ends with the option that cannot be."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--presets', default=','.join(bench_cases.BATCHES))
  parser.add_argument('--methods', default='all')
  parser.add_argument('--batch', type=positive(int), help='clips of a step')
  parser.add_argument('--dtype', choices=('float32', 'bfloat16'))
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--scan', action='store_true', help='blocks as loops')
  parser.add_argument(
    '--peer', choices=('none', 'torch', 'eager'), default='none'
  )
  parser.add_argument('--clock', choices=tuple(CLOCKS))
  parser.add_argument('--eager', action='store_true', help='not compiled too')
  parser.add_argument(
    '--seconds', type=positive(float), default=0.5, help='of a turn'
  )
  parser.add_argument('--turns', type=positive(int), default=5)
  parser.add_argument('--peak', type=positive(float), help='TFLOP/s')
  parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('bench'))
  parser.add_argument('--compiled', metavar='NAME', help='v5e-1, h100, …')
  args = parser.parse_args()
  try:
    check(args)
  except ValueError as error:
    parser.error(str(error))
  return args


def positive(kind: type) -> Any:
  """Returns what reads a number above 0 of that kind."""

  def read(text: str) -> Any:
    if not (found := kind(text)) > 0:
      raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return found

  read.__name__ = kind.__name__  # In argparse's errors.
  return read


def check(args: argparse.Namespace) -> None:
  """Raises ValueError for an option that nothing answers to."""
  from vidpetl.recipes import methods, presets  # noqa: PLC0415

  for name in args.presets.split(','):
    presets.find(name, '--presets')
  for name in listed(args.methods):
    methods.options(name)
  if args.peer != 'none' and not importlib.util.find_spec('torch'):
    raise ValueError(
      f'--peer={args.peer} needs PyTorch: pip install "vidpetl[torch]"'
    )
  if args.compiled:
    bench_compiled.check(args.compiled)


def listed(methods: str) -> tuple[str, ...]:
  everything = bench_cases.METHODS
  return everything if methods == 'all' else tuple(methods.split(','))


def cases(args: argparse.Namespace) -> Iterator[Case]:
  """Yields what is asked for, a preset after the other."""
  scaled = args.compiled and not args.small  # Small clips fit anywhere.
  share = bench_compiled.share(args.compiled) if scaled else 1
  for preset in args.presets.split(','):
    usual = bench_cases.clips(preset, args.small)
    batch = args.batch or max(1, round(share * usual))
    for method in listed(args.methods):
      yield Case(preset, method, batch, args.dtype, args.small, args.scan)


def rows(
  some: Iterable[Case], args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
  """Yields a row of each case, as it is measured."""
  left = list(some)
  while left:
    with started(args, left) as process:
      for line in process.stdout:
        if line.startswith(bench_cases.ROW):
          left.pop(0)
          yield json.loads(line.removeprefix(bench_cases.ROW))
    if left:
      yield bench_cases.failed(left.pop(0), ended(process.returncode))


def facts(args: argparse.Namespace) -> dict[str, Any]:
  """Returns what the figures are of."""
  with started(args) as process:
    printed = process.stdout.read()
  if process.returncode:
    raise SystemExit(f'No device was measured: {ended(process.returncode)}.')
  return json.loads(printed.splitlines()[-1])


def started(
  args: argparse.Namespace, some: Iterable[Case] = ()
) -> subprocess.Popen:
  """Starts to measure cases; without any, the device itself."""
  asked = Asked(
    args.clock,
    args.peer == 'torch',
    args.eager or args.peer == 'eager',
    args.seconds,
    args.turns,
  )
  given = {
    'asked': dataclasses.asdict(asked),
    'cases': [dataclasses.asdict(case) for case in some],
  }
  return subprocess.Popen(
    [sys.executable, str(STEPS), json.dumps(given)],
    stdout=subprocess.PIPE,
    text=True,
    # One thread means nothing on an accelerator.
    env=surroundings(args.clock or 'cpu'),
  )


def ended(code: int) -> str:
  """Returns how a process ended that should have gone on."""
  if code >= 0:
    return f'its process ended with status {code}'
  name = signal.Signals(-code).name
  why = ': too little memory?' if name == 'SIGKILL' else ''
  return f'its process was ended by {name}{why}'


def cells(found: Mapping[str, Any], most: float) -> list[str]:
  """Returns a row of the table."""
  head = [found['preset'], found['method'], str(found['batch'])]
  if 'error' in found:
    return [*head, found['error'].splitlines()[0][:90], *[''] * 8]
  share = found['flops'] / found['seconds'] / (most * 1e12)
  tail = [cell for peer in PEERS for cell in beside(found, peer)]
  return [
    *head,
    f'{1e3 * found["seconds"]:.1f}',
    f'{found["batch"] / found["seconds"]:.1f}',
    f'{100 * share:.0f}',
    f'{found["memory"] / 2**30:.1f}',
    f'{found["compile_seconds"]:.0f}',
    *tail,
  ]


def beside(found: Mapping[str, Any], peer: str) -> tuple[str, str]:
  """Returns milliseconds of a peer's step, and ours over it."""
  if its := found['peers'].get(peer):
    return f'{1e3 * its["seconds"]:.1f}', f'{its["ratio"]:.2f}'
  return 'failed' if peer in found['errors'] else '–', '–'


def surroundings(clock: str) -> dict[str, str]:
  """Returns the environment of a process that measures."""
  places = filter(None, (str(HERE.parent), os.environ.get('PYTHONPATH')))
  path = {'PYTHONPATH': os.pathsep.join(places)}
  if clock != 'cpu':
    return {**os.environ, **path}
  flags = f'{os.environ.get("XLA_FLAGS", "")} {ONE_THREAD["XLA_FLAGS"]}'
  return {**os.environ, **path, **ONE_THREAD, 'XLA_FLAGS': flags.strip()}


if __name__ == '__main__':
  sys.path.insert(0, str(HERE.parent))
  main()
