"""Whether an export says what its run says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from vidpetl.experiment import adapters
from vidpetl.exporting import films
from vidpetl.exporting import subject as subject_lib
from vidpetl.parameters import package

# Decided by the largest of several: a rounding may turn it, and logits, which
# it is made of, are compared.
_DECIDED = ('predicted', 'judges')


@dataclasses.dataclass(frozen=True)
class Difference:
  """How far an export is from its run.

  Attributes:
    largest: absolute, of what was compared.
    scale: largest absolute value of the run's.
    what: that was compared.
  """

  largest: float
  scale: float
  what: tuple[str, ...]

  def within(self, tolerance: float) -> bool:
    """Returns whether it is at most `tolerance` of the scale, or of 1."""
    return self.largest <= tolerance * max(1.0, self.scale)

  def __str__(self) -> str:
    return (
      f'largest difference of {", ".join(self.what)}: {self.largest:.2g}, of '
      f'values up to {self.scale:.3g}'
    )


def compare(
  subject: subject_lib.Subject,
  run: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
  clips: films.Clips,
) -> Difference:
  """Returns how far what was exported is from the run.

  Args:
    subject: the task of the run.
    run: of a target's `reader`.
    clips: to compare on.
  """
  wanted = reference(subject, clips.arrays)
  model, *others = subject.programs()
  given = {name: clips.arrays[name] for name in model.inputs}
  found = dict(run(model.name, given))
  pairs = [(name, wanted[name], found[name]) for name in found]
  for program in others:
    given = _pairs(program, wanted, clips.arrays)
    expected = jax.jit(program.function)(dict(subject.params), given)
    answers = run(program.name, given)
    pairs += [(k, expected[k], answers[k]) for k in expected]
  firm = [pair for pair in pairs if pair[0] not in _DECIDED] or pairs
  if others:
    firm = pairs
  distances = [np.abs(np.subtract(a, b)).max() for _, a, b in firm]
  return Difference(
    float(max(distances)),
    float(max(np.abs(a).max() for _, a, _ in firm)),
    tuple(name for name, _, _ in firm),
  )


def reference(
  subject: subject_lib.Subject, batch: films.Batch
) -> dict[str, np.ndarray]:
  """Returns what the run's own program says of clips, float32."""
  trunk = adapters.Adapters({})
  sha256 = package.fingerprint({})
  config = {**subject.spec, 'backbone_sha256': sha256}
  arrays = {k: np.asarray(v) for k, v in subject.params.items()}
  trunk.load(package.Package(config, arrays), 'run')
  found = dict(trunk.outputs('run', batch, subject.name))
  found = subject_lib.in_shares(subject, found)
  read = trunk.logits('run', batch, subject.name)
  if isinstance(read, Mapping):
    found |= read
  else:
    found.setdefault('logits', read)
  return {k: np.asarray(v, np.float32) for k, v in found.items()}


def _pairs(program, wanted, batch) -> dict[str, np.ndarray]:
  """Returns each clip beside the one behind it."""
  given = {}
  for name in program.inputs:
    who, _, what = name.partition('_')
    value = wanted[what] if what in wanted else batch[what]
    value = np.asarray(value, np.float32)
    given[name] = np.roll(value, -1, 0) if who == 'exemplar' else value
  return given
