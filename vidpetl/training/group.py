"""Trains runs together, each in its own working directory."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from vidpetl.experiment import complete
from vidpetl.training import (
  candidate,
  divergence,
  holding,
  joining,
  loop,
  writers,
)


@dataclasses.dataclass(frozen=True)
class Planned:
  """A run of a group.

  Attributes:
    config: of it.
    workdir: of it.
    name: in front of what is told of it.
    told: what tells it from the others, for those who compare them.
  """

  config: Any
  workdir: str
  name: str
  told: Mapping[str, str]


def run(
  planned: Sequence[Planned], compared: Sequence[str] = ()
) -> list[dict[str, Any] | Exception] | None:
  """Trains runs together that may; see `joining`.

  Each leaves what it would leave alone. One that diverges is left out, and the
  others go on.

  Args:
    planned: the runs.
    compared: '<task>/<metric>' by which they will be compared.

  Returns:
    The results of each run, or the error of one that was left out; None if they
    were told to stop.

  Raises:
    alone.UnlikeError: if they cannot train together; nothing has begun.
  """
  workdirs = [each.workdir for each in planned]
  with holding.on_devices(planned[0].config, workdirs):
    started = time.perf_counter()
    if jax.process_index() == 0:
      writers.check(complete.complete(planned[0].config).writers)
    configs = [each.config for each in planned]
    programs = joining.prepare(configs, workdirs, compared)
    candidates = [
      candidate.Candidate(member, each.workdir, started, number, each.name)
      for number, (member, each) in enumerate(zip(programs.members, planned))
    ]
    training = loop.Loop(programs, candidates)
    with training.stopping():
      try:
        found = training.train([each.told for each in planned])
      except divergence.DivergedError:  # The last one that was left.
        found = [None] * len(planned)
      return [result or each.error for result, each in zip(found, candidates)]
  return None
