"""Damaged files of every reader."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import time
import zlib
from collections.abc import Iterable

import hypothesis
from etils import epath
from hypothesis import strategies

from launch.chaos import bench as bench_lib
from launch.chaos import mutations, tally

# For looking for a smaller example of a failure.
_SHRINKING_SECONDS = 20.0


def run(
  readers: Iterable[bench_lib.Reader],
  count: int,
  seed: int,
  out: epath.Path,
  counts: tally.Tally,
) -> list[str]:
  """Damages `count` files of each reader.

  Returns:
    Lines about readers that were left out.
  """
  left_out = []
  for reader in readers:
    if reader.needs and not importlib.util.find_spec(reader.needs):
      left_out.append(f'{reader.name}: left out, for want of {reader.needs}')
      continue
    bench = bench_lib.Bench(reader, out / 'readers' / _slug(reader.name))
    try:
      series = _Series(bench, seed, counts)
      series.run(count)
      counts.say(series.part)
    finally:
      bench.close()
  return left_out


_SMALLER = hypothesis.Phase.generate, hypothesis.Phase.shrink


def _settings(count: int, *phases: hypothesis.Phase) -> hypothesis.settings:
  return hypothesis.settings(
    max_examples=count,
    database=None,
    deadline=None,
    phases=phases,
    suppress_health_check=list(hypothesis.HealthCheck),
  )


def _slug(name: str) -> str:
  return ''.join(c if c.isalnum() else '_' for c in name)


class _Series:
  """What is tried with one reader."""

  def __init__(self, bench: bench_lib.Bench, seed: int, counts: tally.Tally):
    self.bench, self.counts = bench, counts
    self.part = f'files: {bench.reader.name}'
    # Readers with equal seeds would all draw the same.
    self.seed = zlib.crc32(f'{seed} {bench.reader.name}'.encode())
    self.cases = strategies.tuples(
      strategies.sampled_from(bench.files), mutations.some()
    )

  def run(self, count: int) -> None:
    @hypothesis.seed(self.seed)
    @_settings(count, hypothesis.Phase.generate)
    @hypothesis.given(self.cases)
    def draw(case):
      hypothesis.assume(self._damaged(case) != self._whole(case))
      new = self._outcome(case)
      if self.counts.add(self.part, new, case=_told(case), seed=self.seed):
        failures.append((new, case))

    failures: list = []
    draw()
    for outcome, case in failures:
      self._keep(outcome, self._smaller(outcome, case))

  def _outcome(self, case) -> tally.Outcome:
    file, damage = case
    return self.bench.attempt(file, lambda x: mutations.apply(damage, x))

  def _whole(self, case) -> bytes:
    file, _ = case
    return (self.bench.whole / file).read_bytes()

  def _damaged(self, case) -> bytes:
    _, damage = case
    return mutations.apply(damage, self._whole(case))

  def _smaller(self, outcome: tally.Outcome, case):
    """Returns the smallest case found that fails in the same way."""
    ends = time.monotonic() + _SHRINKING_SECONDS
    smallest = case

    def fails(case) -> bool:
      nonlocal smallest
      if time.monotonic() > ends or outcome.kind == 'hang':
        return False
      same = self._outcome(case).signature == outcome.signature
      if same:
        smallest = case
      return same

    # Without time, or where a failure does not come again, it gives up.
    with contextlib.suppress(hypothesis.errors.HypothesisException):
      hypothesis.find(
        self.cases,
        fails,
        settings=_settings(200, *_SMALLER),
        random=random.Random(self.seed),
      )
    return smallest

  def _keep(self, outcome: tally.Outcome, case) -> None:
    """Writes the damaged file, and how it was damaged."""
    file, _ = case
    kept = f'{_slug(self.bench.reader.name)}-{zlib.crc32(repr(case).encode())}'
    path = self.counts.folder / kept / epath.Path(file).name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(self._damaged(case))
    self.counts.keep(
      self.part, outcome, case=_told(case), seed=self.seed, file=str(path)
    )


def _told(case) -> list[str]:
  file, damage = case
  return [file, *map(repr, damage)]
