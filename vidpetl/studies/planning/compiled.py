"""What the compiler of a device says of a training step, where there is one."""

from __future__ import annotations

import time
from typing import Any

import jax

from vidpetl.experiment import complete
from vidpetl.studies.planning import cards
from vidpetl.studies.pods import asking, compiler, topologies
from vidpetl.training import programs, sharding


def at_hand(card: cards.Card) -> bool:
  """Whether there is a compiler for a device."""
  here = card.name == cards.THIS
  return here or asking.at_hand(topologies.target(card.name))


def total(config: Any, card: cards.Card, task: str) -> tuple[float, float]:
  """Returns the bytes that a step takes of one device, and seconds it took.

  Args:
    config: of the run.
    card: the device, whose compiler is at hand.
    task: whose step it is.

  Raises:
    ValueError: if the step does not fit, or cannot be spread over devices.
  """
  if card.name != cards.THIS:
    found = asking.ask(config, card.name, task)
    if 'full' in found:
      needed = found['full'].get('needed')
      if needed is None:
        raise ValueError(f'{card.name}: {found["full"]["message"]}')
      return float(needed), found['seconds']
    return float(asking.total(found)), found['seconds']
  return _here(config, task)


def _here(config: Any, task: str) -> tuple[float, float]:
  config = complete.complete(config)
  mesh = sharding.mesh_of(config)
  experiment, tx, state, batch = compiler.parts(config, task, mesh)
  step = programs.train_step(config, experiment, tx, task, mesh)
  began = time.perf_counter()
  with jax.set_mesh(mesh):
    compiled = programs.lower(step, state, batch, config).compile()
  size = compiled.memory_analysis()
  taken = size.argument_size_in_bytes + size.temp_size_in_bytes
  taken += size.output_size_in_bytes - size.alias_size_in_bytes
  return float(taken), time.perf_counter() - began
