"""Measures the steps of a preset, in a process whose memory ends with it.

`bench.py` starts it.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import bench_cases
import jax
import jax.numpy as jnp
from bench_cases import CLOCKS, Asked, Case

from vidpetl import heap
from vidpetl.studies import cost, flops


class Ours:
  """A training step of vidpetl, compiled."""

  def __init__(self, case: Case):
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


def row(
  case: Case, peers: Mapping[str, Callable], asked: Asked
) -> dict[str, Any]:
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
  turns = measure(sides, asked.seconds, asked.turns)
  times, walls = (
    {name: [turn[clock] for turn in found] for name, found in turns.items()}
    for clock in (asked.clock, 'wall')
  )
  middle = {name: statistics.median(found) for name, found in times.items()}
  found = {
    **dataclasses.asdict(case),
    'name': case.name,
    'clock': asked.clock,
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


def facts(clock: str | None) -> dict[str, Any]:
  """Returns what the figures are of."""
  device = jax.devices()[0]
  clock = clock or ('cpu' if device.platform == 'cpu' else 'wall')
  return {
    'device': device.device_kind,
    'jax': jax.__version__,
    'clock': clock,
    'peak': peak(CLOCKS[clock]) / 1e12,
  }


def rows(cases: Iterable[Case], asked: Asked) -> Iterator[dict[str, Any]]:
  """Yields a row of each case; of one that fails, its error."""
  heap.keep()
  peers = {}
  if asked.compiled or asked.eager:
    # PyTorch is there where it is asked for.
    import bench_peer  # noqa: PLC0415

    peers = bench_peer.makers(asked.compiled, asked.eager)
  for case in cases:
    try:
      found = row(case, peers, asked)
    except Exception as error:
      found = bench_cases.failed(case, f'{type(error).__name__}: {error}')
    yield found


def main(given: str) -> None:
  """Prints what is asked for in JSON, a line each.

  Args:
    given: JSON of `asked` and of `cases`; without any, `facts` are printed.
  """
  read = json.loads(given)
  asked = Asked(**read['asked'])
  if not read['cases']:
    print(json.dumps(facts(asked.clock)), flush=True)
    return
  for found in rows((Case(**each) for each in read['cases']), asked):
    print(bench_cases.ROW + json.dumps(found), flush=True)


if __name__ == '__main__':
  main(sys.argv[1])
