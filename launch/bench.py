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

Writes one json per device into `--out`, a preset at a time, in place of rows
of the same names there; prints the table as it grows. A row that fails is in it
with its error.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

METHODS = ('full', 'lora', 'adaptformer', 'patt', 'st_adapter', 'head')
# Clips of a step, for 80 GB.
BATCHES = {
  'videomae_b': 32, 'videomae_l': 16, 'mae_b': 32, 'mae_l': 16,
  'augreg_b': 32, 'augreg_l': 16, 'dinov2_s': 32, 'dinov2_b': 24,
  'clip_b16': 32, 'clip_l14': 12, 'vivit_b': 16, 'vivit_l': 4,
  'vivit_b_joint': 16, 'swin_t': 16, 'swin_s': 12, 'swin_b': 8,
  'swin_b_ssv2': 8, 'i3d': 16, 'r3d_18': 64, 'r2plus1d_18': 32, 'c3d': 64,
}  # fmt: skip
# On a CPU: clips of a step, and what they are.
SMALL = {'batch': 2, 'frames': 8, 'resolution': 112}
SMALL_OF = {
  'i3d': {'batch': 1, 'frames': 16, 'resolution': 224},
  'c3d': {'frames': 16},
  'swin_b': {'batch': 1},
}
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
ONE_THREAD = {
  'OMP_NUM_THREADS': '1',
  'XLA_FLAGS': '--xla_cpu_multi_thread_eigen=false',
}
COLUMNS = (
  'preset', 'method', 'batch', 'ms', 'clips/s', 'MFU, %', 'memory, GiB',
  'compile, s', 'torch.compile, ms', 'ratio', 'eager, ms', 'ratio',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
  """A row.

  Attributes:
    preset: of the backbone.
    method: that adapts it.
    batch: clips of a step.
    dtype: of the computation.
    small: whether clips are small.
    scan: whether blocks that are alike are compiled once.
  """

  preset: str
  method: str
  batch: int
  dtype: str
  small: bool
  scan: bool = False

  @property
  def name(self) -> str:
    more = ' small' * self.small + ' scan' * self.scan
    return f'{self.preset} {self.method} {self.batch} {self.dtype}{more}'

  def config(self) -> Any:
    from vidpetl.studies import series  # noqa: PLC0415

    argument = f'backbone={self.preset},method={self.method},data=kinetics400'
    if self.small:
      clip = small(self.preset)
      argument += f',frames={clip["frames"]},resolution={clip["resolution"]}'
    fields = {
      'dtype': self.dtype,
      'batch_size': self.batch,
      'tasks.kinetics400.num_classes': 400,
    }
    config = series.load('configs/adapt.py', argument, fields)
    if 'remat' in config.backbone:
      config.backbone.remat = False
    if self.scan:
      config.backbone.scan = True
    return config


def small(preset: str) -> dict[str, int]:
  """Returns clips of a step, their frames and side, for a CPU."""
  return SMALL | SMALL_OF.get(preset, {})


class Ours:
  """A training step of vidpetl, compiled."""

  def __init__(self, case: Case):
    import jax  # noqa: PLC0415

    from vidpetl.studies import cost, flops  # noqa: PLC0415

    made = cost.built(case.config())
    self.batch = jax.device_put(cost.batch_of(made.task, case.batch))
    self.state = jax.block_until_ready(cost.started(made))
    began = time.perf_counter()
    lowered = jax.jit(made.step, donate_argnums=0).lower(self.state, self.batch)
    self.step = lowered.compile()
    self.compile_seconds = time.perf_counter() - began
    memory = self.step.memory_analysis()
    self.memory = (
      memory.temp_size_in_bytes
      + memory.argument_size_in_bytes
      + memory.output_size_in_bytes
      - memory.alias_size_in_bytes
    )
    # In float32 no kernel hides the products of an attention.
    plain = cost.built(dataclasses.replace(case, dtype='float32').config())
    state = jax.eval_shape(plain.create, jax.random.key(0))
    self.flops = flops.products(plain.step, state, self.batch)
    self.wait = jax.block_until_ready

  def run(self, steps: int) -> None:
    """Takes so many steps, and waits for the last."""
    for _ in range(steps):
      self.state, scalars = self.step(self.state, self.batch)
    self.wait((self.state, scalars))


def turn(side: Any, steps: int) -> dict[str, float]:
  """Returns seconds of a step, by each clock."""
  began = {name: clock() for name, clock in CLOCKS.items()}
  side.run(steps)
  return {name: (CLOCKS[name]() - at) / steps for name, at in began.items()}


def measure(
  sides: Mapping[str, Any], seconds: float, turns: int
) -> dict[str, list[dict[str, float]]]:
  """Returns the seconds of a step in each turn, by each clock, per side.

  Args:
    sides: each with `run(steps)`.
    seconds: of a turn, at least one step.
    turns: of each.
  """
  steps = {}
  for name, side in sides.items():
    turn(side, 2)
    steps[name] = max(1, round(seconds / turn(side, 1)['wall']))
  times = {name: [] for name in sides}
  for _ in range(turns):
    for name, side in sides.items():
      times[name].append(turn(side, steps[name]))
  return times


def row(case: Case, peers: Mapping[str, Callable], args: Any) -> dict[str, Any]:
  """Returns what is measured of a case."""
  ours = Ours(case)
  sides, errors = {'ours': ours}, {}
  for name, make in peers.items():
    try:
      sides[name] = make(case, ours)
      sides[name].run(1)
    except Exception as error:  # What PyTorch cannot do is no fault of ours.
      sides.pop(name, None)
      errors[name] = f'{type(error).__name__}: {error}'[:300]
  turns = measure(sides, args.seconds, args.turns)
  times, walls = (
    {name: [turn[clock] for turn in found] for name, found in turns.items()}
    for clock in (args.clock, 'wall')
  )
  middle = {name: statistics.median(found) for name, found in times.items()}
  found = {
    **dataclasses.asdict(case),
    'name': case.name,
    'clock': args.clock,
    'seconds': middle['ours'],
    'wall': statistics.median(walls['ours']),
    'spread': [min(times['ours']), max(times['ours'])],
    'flops': ours.flops,
    'compile_seconds': ours.compile_seconds,
    'memory': ours.memory,
    'peers': {},
    'errors': errors,
  }
  for name in sides:
    if name != 'ours':
      ratios = [a / b for a, b in zip(times['ours'], times[name])]
      found['peers'][name] = {
        'seconds': middle[name],
        'wall': statistics.median(walls[name]),
        'ratio': statistics.median(ratios),
        'memory': sides[name].memory(),
      }
  return found


def peak(clock: Callable[[], float]) -> float:
  """Returns the FLOP/s of a large product in bfloat16, or float32 on a CPU."""
  import jax  # noqa: PLC0415
  import jax.numpy as jnp  # noqa: PLC0415

  fast = jax.devices()[0].platform != 'cpu'
  n, dtype = (8192, jnp.bfloat16) if fast else (2048, jnp.float32)
  x = jax.random.normal(jax.random.key(0), (n, n), dtype)
  product = jax.jit(lambda a: (a @ a) * n**-0.5)
  jax.block_until_ready(product(x))
  found = []
  for _ in range(5):
    began, y = clock(), x
    for _ in range(20 if fast else 1):
      y = product(y)
    jax.block_until_ready(y)
    found.append((clock() - began) / (20 if fast else 1))
  return 2 * n**3 / min(found)


def work(args: argparse.Namespace) -> None:
  """Measures the methods of one preset; a row is a line of the output."""
  from vidpetl import heap  # noqa: PLC0415

  heap.keep()
  peers = {}
  if args.peer != 'none':
    import bench_peer  # noqa: PLC0415

    compiled, eager = args.peer == 'torch', args.eager or args.peer == 'eager'
    peers = bench_peer.makers(compiled, eager)
  for method in args.methods.split(','):
    case = Case(
      args.work, method, args.batch, args.dtype, args.small, args.scan
    )
    try:
      found = row(case, peers, args)
    except Exception as error:
      text = f'{type(error).__name__}: {error}'
      found = {**dataclasses.asdict(case), 'name': case.name, 'error': text}
    print('ROW', json.dumps(found), flush=True)


def start(preset: str, methods: str, args: argparse.Namespace) -> list[dict]:
  """Measures in a process of its own, whose memory ends with it."""
  batch = small(preset)['batch'] if args.small else BATCHES.get(preset, 8)
  command = [
    sys.executable, __file__, f'--work={preset}', f'--methods={methods}',
    f'--batch={args.batch or batch}', f'--dtype={args.dtype}',
    f'--seconds={args.seconds}', f'--turns={args.turns}',
    f'--peer={args.peer}', f'--clock={args.clock}',
  ]  # fmt: skip
  command += ['--scan'] * args.scan
  command += ['--small'] * args.small + ['--eager'] * args.eager
  rows = []
  process = subprocess.Popen(
    command, stdout=subprocess.PIPE, text=True, env=surroundings(args.clock)
  )
  with process:
    for line in process.stdout:
      if line.startswith('ROW '):
        rows.append(json.loads(line[4:]))
        print('|', ' | '.join(cells(rows[-1], args.peak)), '|', flush=True)
  return rows


def cells(found: Mapping[str, Any], most: float) -> list[str]:
  """Returns a row of the table."""
  head = [found['preset'], found['method'], str(found['batch'])]
  if 'error' in found:
    return [*head, found['error'].splitlines()[0][:90], *[''] * 8]
  share = found['flops'] / found['seconds'] / (most * 1e12)
  tail = []
  for peer in ('compile', 'eager'):
    its = found['peers'].get(peer)
    tail += [f'{1e3 * its["seconds"]:.1f}', f'{its["ratio"]:.2f}'] if its else [
      '–', '–'
    ]  # fmt: skip
  return [
    *head,
    f'{1e3 * found["seconds"]:.1f}',
    f'{found["batch"] / found["seconds"]:.1f}',
    f'{100 * share:.0f}',
    f'{found["memory"] / 2**30:.1f}',
    f'{found["compile_seconds"]:.0f}',
    *tail,
  ]


def surroundings(clock: str) -> dict[str, str]:
  """Returns the environment of a process that measures."""
  if clock != 'cpu':
    return dict(os.environ)
  flags = f'{os.environ.get("XLA_FLAGS", "")} {ONE_THREAD["XLA_FLAGS"]}'
  return {**os.environ, **ONE_THREAD, 'XLA_FLAGS': flags.strip()}


def about(clock: str) -> dict[str, Any]:
  """Returns what the figures are of; in a process of its own, as all else."""
  code = (
    'import sys; sys.path.insert(0, sys.argv[1]); import bench, jax, json;'
    'd = jax.devices()[0];'
    'clock = sys.argv[2] or ("cpu" if d.platform == "cpu" else "wall");'
    'print(json.dumps({"device": d.device_kind, "jax": jax.__version__,'
    '"clock": clock, "peak": bench.peak(bench.CLOCKS[clock]) / 1e12}))'
  )
  here = str(pathlib.Path(__file__).parent)
  done = subprocess.run(
    [sys.executable, '-c', code, here, clock],
    stdout=subprocess.PIPE,
    env=surroundings(clock or 'cpu'),  # On an accelerator it means nothing.
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--presets', default=','.join(BATCHES))
  parser.add_argument('--methods', default='all')
  parser.add_argument('--batch', type=int, default=0, help='clips of a step')
  parser.add_argument('--dtype', default='')
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--scan', action='store_true', help='blocks as loops')
  parser.add_argument(
    '--peer', choices=('none', 'torch', 'eager'), default='none'
  )
  parser.add_argument('--clock', choices=('', *CLOCKS), default='')
  parser.add_argument('--eager', action='store_true', help='not compiled too')
  parser.add_argument('--seconds', type=float, default=0.5, help='of a turn')
  parser.add_argument('--turns', type=int, default=5)
  parser.add_argument('--peak', type=float, default=0.0, help='TFLOP/s')
  parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('bench'))
  parser.add_argument('--compiled', metavar='NAME', help='v5e-1, h100, …')
  parser.add_argument('--work', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.methods == 'all':
    args.methods = ','.join(METHODS)
  if args.compiled:
    import bench_compiled  # noqa: PLC0415

    bench_compiled.run(args, BATCHES, Case)
    return
  if args.work:
    work(args)
    return
  facts = about(args.clock)
  args.clock = facts['clock']
  args.peak = args.peak or facts['peak']
  args.dtype = args.dtype or (
    'float32' if 'cpu' in facts['device'].lower() else 'bfloat16'
  )
  args.out.mkdir(parents=True, exist_ok=True)
  path = args.out / f'{facts["device"].replace(" ", "_")}.json'
  kept = {}
  if path.exists():
    kept = {r['name']: r for r in json.loads(path.read_text())['rows']}
  print(f'{facts["device"]}, jax {facts["jax"]}, {args.dtype}, by the '
        f'{args.clock} clock; a product runs at {facts["peak"]:.4g} TFLOP/s'
        '\n')  # fmt: skip
  print('| ' + ' | '.join(COLUMNS) + ' |')
  print('|---' * len(COLUMNS) + '|', flush=True)
  for preset in args.presets.split(','):
    kept |= {r['name']: r for r in start(preset, args.methods, args)}
    facts['rows'] = list(kept.values())
    path.write_text(json.dumps(facts, indent=1) + '\n')


if __name__ == '__main__':
  sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
  main()
