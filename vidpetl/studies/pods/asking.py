"""Asks a compiler, in a process of its own, and tells its answer."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl import tables
from vidpetl.experiment import complete
from vidpetl.studies.pods import bounds, topologies
from vidpetl.studies.pods import part as part_lib

_COMPILER = 'vidpetl.studies.pods.compiler'
_MIB, _GIB = 2**20, 2**30


def check(config: Any, name: str, task: str = '') -> str:
  """Returns the task whose step is meant, if it can be asked for.

  Args:
    config: of the run.
    name: of the slice, such as 'v5e-16', of a GPU, or 'cpu-8'.
    task: '' is the first.

  Raises:
    ValueError: if there is no such slice or task, or no compiler for it.
  """
  task = task or next(iter(config.tasks))
  if task not in config.tasks:
    raise ValueError(
      f'--task={task}: config.tasks has {", ".join(config.tasks)}.'
    )
  target(name)
  return task


def target(name: str) -> part_lib.Part:
  """Returns what a name is of, if its compiler is here.

  Raises:
    ValueError: if there is no such slice, or no compiler for it.
  """
  part = topologies.target(name)
  if not at_hand(part):
    raise ValueError(
      f'{name} needs a compiler of {part.platform.upper()}s, {part.needs}: '
      f'pip install "vidpetl[{part.extra}]".'
    )
  return part


def at_hand(part: part_lib.Part) -> bool:
  """Whether what compiles for it is installed."""
  return not part.needs or importlib.util.find_spec(part.needs) is not None


def ask(config: Any, name: str, task: str = '') -> dict[str, Any]:
  """Returns what the training step of a run is on a TPU slice or a GPU.

  Args:
    config: of the run.
    name: of the slice.
    task: whose step; '' is the first.

  Raises:
    ValueError: as `check` does; if the run cannot be spread over the slice, or
      the compiler breaks down.
  """
  task = check(config, name, task)
  part = topologies.target(name)
  config = complete.complete(config)
  with tempfile.TemporaryDirectory() as folder:
    given, out = (epath.Path(folder) / x for x in ('config.json', 'out.json'))
    given.write_text(json.dumps(complete.as_json(config)))
    done = subprocess.run(
      [sys.executable, '-m', _COMPILER, str(given), name, task, str(out)],
      env={**os.environ, 'JAX_PLATFORMS': 'cpu', **part.environment},
      capture_output=True,
      text=True,
    )
    if not out.exists():
      raise ValueError(broken(name, done))
    found = json.loads(out.read_text())
  if 'mistake' in found:
    raise ValueError(f'On {name}: {found["mistake"]}')
  if full := over(found, part):
    found['full'] = full
  return {
    'slice': name,
    'chips': part.chips,
    'hbm': part.memory,
    'task': task,
    'batch': config.batch_size,
    'dtype': config.dtype,
    **found,
  }


def broken(name: str, done: subprocess.CompletedProcess) -> str:
  end = f'status {done.returncode}'
  if done.returncode < 0:
    end = signal.Signals(-done.returncode).name
  last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
  return (
    f'the compiler for {name} broke down ({end}); that is a bug of it, or of '
    'vidpetl. Its last lines: ' + ' / '.join(last)
  )


def report(found: Mapping[str, Any], estimate: Mapping[str, Any]) -> str:
  """Returns the answer as tables.

  Args:
    found: by `ask`.
    estimate: of bytes on one chip, as `vidpetl.describe` has it.
  """
  title = (
    f'Compiled for {found["slice"]}: {found["chips"]} devices, '
    f'{found["batch"]} clips of {found["task"]} a step, in '
    f'{found["seconds"]:.0f} s'
  )
  parts = [f'{title}\n{_memory(found)}']
  if 'full' not in found:
    parts += [_compared(found, estimate)]
  parts += [_flops(found)]
  if 'full' not in found:
    at_best = _at_best(found)
    parts += [_time(found, at_best)] if at_best else []
    parts += [_collectives(found, at_best)]
  return '\n\n'.join(parts)


def _at_best(found: Mapping[str, Any]) -> bounds.Bounds | None:
  """Returns the bounds of a step; of this CPU no data sheet is at hand."""
  if topologies.target(found['slice']).platform == 'cpu':
    return None
  return bounds.bounds(found, found['dtype'])


def total(found: Mapping[str, Any]) -> int:
  """Returns the bytes of a chip that a step takes."""
  size = found['memory']
  return sum(
    size[name] for name in ('arguments', 'temporary', 'new output', 'program')
  )


def over(found: Mapping[str, Any], part: part_lib.Part) -> dict[str, Any]:
  """Returns what a GPU has too little of, or {}; its compiler does not look."""
  if part.platform != 'gpu' or 'full' in found:
    return {}
  needed = total(found)
  if needed <= part.memory:
    return {}
  return {'needed': needed, 'available': part.memory}


def _memory(found: Mapping[str, Any]) -> str:
  size = found['memory']
  rows = [
    ('trained parameters', size['trained']),
    ('frozen parameters', size['frozen']),
    ('optimizer', size['optimizer']),
    ('batch', size['batch']),
  ]
  if 'full' in found:
    return f'{_mib(rows)}\n  {_too_much(found["full"], found["hbm"])}'
  padding = size['arguments'] - sum(n for _, n in rows)
  rows += [
    ('padding of these', max(0, padding)),  # What is not read is no argument.
    ('activations, gradients (temporary)', size['temporary']),
    ('output that is no parameter', size['new output']),
    ('program', size['program']),
    ('all', total(found)),
  ]
  share = 100 * total(found) / found['hbm']
  fits = (
    f'It fits: {share:.0f} % of the {found["hbm"] / _GIB:.0f} GiB of a device.'
  )
  return f'{_mib(rows)}\n  {fits}'


def _mib(rows: list[tuple[str, float]]) -> str:
  cells = [(name, f'{n / _MIB:,.1f}') for name, n in rows]
  return tables.columns([('', 'MiB a device'), *cells], '<>', '  ')


def _too_much(full: Mapping[str, Any], memory: int) -> str:
  if 'needed' not in full:
    return f'It does not fit into {memory / _GIB:.0f} GiB: {full["message"]}'
  needed, there = full['needed'] / _GIB, full['available'] / _GIB
  return (
    f'It does not fit: it needs {needed:.2f} GiB of the {there:.2f} that a '
    f'chip has for it, {needed - there:.2f} too many.'
  )


def _compared(found: Mapping[str, Any], estimate: Mapping[str, Any]) -> str:
  """Says by how much the estimate of the same memory is off."""
  ours = estimate['gradients'] + estimate['tasks'][found['task']]
  theirs = found['memory']['temporary']
  off = 'the compiler takes none, beside the memory within a device'
  if theirs:
    off = f'{100 * (ours / theirs - 1):+.0f} % of what the compiler takes'
  more = ''
  if found['hidden']['behind']:
    more = (
      ' Where memory is free, it puts off gradients, to send others while it '
      'makes them; it takes less where there is less.'
    )
  return (
    f'Activations and gradients were estimated at {ours / _MIB:,.0f} MiB: '
    f'{off}.{more}'
  )


def _flops(found: Mapping[str, Any]) -> str:
  count = found['flops']
  lines = [f'{count["step"] / 1e9:,.1f} GFLOP a device and step']
  if 'needed' in count:
    again = count['step'] - count['needed']
    lines += [f'{again / 1e9:,.1f} of them computed again (remat)']
  return ', '.join(lines) + '.'


def _time(found: Mapping[str, Any], at_best: bounds.Bounds) -> str:
  reckoned = ''
  if at_best.compiler:
    reckoned = (
      f' The compiler reckons {1e3 * at_best.compiler:,.1f} ms, without Pallas '
      'kernels.'
    )
  return (
    f'A step takes a chip at least {1e3 * at_best.seconds:,.1f} ms: its '
    f'products {1e3 * at_best.products:,.1f} at the peak of the data sheet, '
    f'{found["moved"] / 1e9:,.1f} GB that it moves '
    f'{1e3 * at_best.memory:,.1f}. That leaves {100 * at_best.mfu:.0f} % MFU.'
    f'{reckoned}'
  )


def _links(at_best: bounds.Bounds | None) -> str:
  if at_best is None:
    return ''
  return (
    f' Over all links of a device they take at least '
    f'{1e3 * at_best.links:,.2f} ms, and for {1e3 * at_best.waiting:,.2f} it '
    f'computes nothing meanwhile: {100 * at_best.scaling:.1f} % of the speed '
    'of a device alone is left.'
  )


def _collectives(
  found: Mapping[str, Any], at_best: bounds.Bounds | None
) -> str:
  rows = [
    (kind, f'{each["count"]:,}', f'{each["bytes"] / _MIB:,.2f}')
    for kind, each in sorted(found['collectives'].items())
  ]
  if not rows:
    return 'Collectives: none'
  table = tables.columns([('Collectives', 'count', 'MiB'), *rows], '<>>')
  hidden = found['hidden']
  share = 100 * hidden['behind'] / hidden['bytes']
  return (
    f'{table}\n  {share:.0f} % of the bytes are on their way while the device '
    f'computes (begun, and waited for later).{_links(at_best)}'
  )
