"""Compiles the training step of a run for a slice or GPU that is not there.

  python -m vidpetl.studies.pods.compiler CONFIG.json SLICE TASK OUT.json

`vidpetl.studies.pods.asking` starts it: the compiler may end a process.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import sys
import time
from typing import Any

import jax
from etils import epath

from vidpetl import mistakes
from vidpetl.backbones import devices
from vidpetl.data import clips
from vidpetl.experiment import complete
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import flops
from vidpetl.studies.pods import hiding, program, topologies, traffic
from vidpetl.studies.pods import part as part_lib
from vidpetl.training import programs, sharding

_FULL = 'RESOURCE_EXHAUSTED'
_SIZES = re.compile(
  r'([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm'
  r'|\(([\d.]+)([KMGT]?)\) exceeds available HBM \(([\d.]+)([KMGT]?)\)'
)
_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


def compile_step(config: Any, name: str, task: str) -> dict[str, Any]:
  """Returns what the compiler makes of a training step.

  Args:
    config: of the run, completed.
    name: of the slice or GPU.
    task: whose step.

  Raises:
    ValueError: naming the field that cannot work on such a slice.
  """
  part = topologies.target(name)
  with devices.meant(part.meant):
    return _compile_for(part, config, task)


def _compile_for(part: part_lib.Part, config: Any, task: str) -> dict[str, Any]:
  mesh = sharding.mesh_of(config, part.devices())
  sharding.check_batch(
    config.batch_size // config.accumulate,
    mesh,
    'config.batch_size / config.accumulate',
  )
  made = parts(config, task, mesh)
  experiment, tx, state, batch = made
  step = programs.train_step(config, experiment, tx, task, mesh)
  found = {'memory': _state_bytes(config, state, batch, mesh)}
  found['flops'] = _flops(config, task, mesh, made)
  began = time.perf_counter()
  with jax.set_mesh(mesh):
    lowered = programs.lower(step, state, batch, config)
  compiled, full = _compiled(lowered)
  found['seconds'] = time.perf_counter() - began
  if full:
    return found | {'full': full}
  text = program.Program(compiled.as_text())
  size = compiled.memory_analysis()
  found['memory'] |= {
    'temporary': size.temp_size_in_bytes,
    'arguments': size.argument_size_in_bytes,
    'new output': size.output_size_in_bytes - size.alias_size_in_bytes,
    'program': size.generated_code_size_in_bytes,
  }
  return found | {
    'collectives': program.collectives(text),
    'hidden': _hidden(text, part),
    'moved': traffic.moved(text),
    'cycles': traffic.cycles(text),
  }


def _hidden(text: program.Program, part: part_lib.Part) -> dict[str, Any]:
  """Returns what is sent while a chip computes.

  The compiler of GPUs estimates nothing: what they compute takes as long as
  what it reads and writes. Of this CPU there are no links.
  """
  how = {}
  if part.platform == 'tpu':
    how = {'seconds': part.seconds, 'clock': part.clock}
  elif part.platform == 'gpu':
    rate, work = part.chip.bandwidth * 1e9, traffic.work(text)
    how = {'seconds': part.seconds, 'clock': rate, 'work': work}
  return dataclasses.asdict(hiding.hidden(text, **how))


def _compiled(lowered: Any) -> tuple[Any, dict[str, Any]]:
  """Returns the compiled program, or None and why it does not fit."""
  try:
    return lowered.compile(), {}
  except jax.errors.JaxRuntimeError as error:
    if _FULL not in str(error):
      raise
    return None, too_much(str(error))


def parts(config: Any, name: str, mesh: Any) -> tuple[Any, Any, Any, Any]:
  """Returns what a task's step is made of, and its arguments as shapes.

  Args:
    config: of the run, completed.
    name: of the task.
    mesh: of devices, or of descriptions of some.

  Returns:
    The experiment, its optimizer, the abstract state and the abstract batch.
  """
  infos = experiment_lib.infos(config)
  experiment = experiment_lib.build(config, infos)
  tx, _ = experiment.optimizer(epoch=100.0, total=10_000)
  state = programs.state_shapes(config, experiment, tx, mesh)
  signature = clips.signature(infos[name], experiment.tasks[name].train_clip)
  batch = programs.batch_shapes(config, signature, mesh)
  return experiment, tx, state, batch


def _state_bytes(config, state, batch, mesh) -> dict[str, int]:
  """Bytes of a chip's part of what a step is given."""
  on_one = lambda tree: sharding.bytes_per_device(tree, mesh, config.sharding)
  return {
    'trained': on_one({'params': state.params}),
    'frozen': on_one({'frozen': state.frozen}),
    'optimizer': on_one({'opt_state': state.opt_state}),
    'batch': sum(x.size * x.dtype.itemsize for x in batch.values())
    // mesh.size,
  }


def _flops(
  config: Any, task: str, mesh: Any, made: tuple[Any, Any, Any, Any]
) -> dict[str, float]:
  """FLOPs of a chip, as the step is, and without what remat repeats."""

  def count(config, experiment, tx, state, batch):
    update = programs.update(config, experiment, tx, task)
    update = functools.partial(update, seed=config.seed)
    return flops.products(update, state, batch) / mesh.size

  found = {'step': count(config, *made)}
  if config.backbone.get('remat'):
    config = config.copy_and_resolve_references()
    with config.unlocked(), config.backbone.ignore_type():  # It may be a name.
      config.backbone.remat = False
    found['needed'] = count(config, *parts(config, task, mesh))
  return found


def too_much(message: str) -> dict[str, Any]:
  """Returns bytes that were needed, and those there are; {} if unsaid."""
  found = _SIZES.search(message)
  if not found:
    return {'message': message.splitlines()[0]}
  needed, unit, there, other = (x for x in found.groups() if x is not None)
  return {
    'needed': float(needed) * _UNITS[unit],
    'available': float(there) * _UNITS[other],
  }


def main(argv: list[str]) -> None:
  """Runs the command line."""
  given, name, task, out = argv
  fields = json.loads(epath.Path(given).read_text())
  try:
    found = compile_step(complete.complete(fields), name, task)
  except Exception as error:
    if not mistakes.is_mistake(error):
      raise
    found = {'mistake': str(error)}
  epath.Path(out).write_text(json.dumps(found))


if __name__ == '__main__':
  main(sys.argv[1:])
