"""Taps: what the blocks of a backbone have made, for whoever reads it.

A backbone shows it outside of `nn.remat`, so that nothing is stored twice and
nothing is computed again; where nobody asks, `tap` does nothing.

    with tapping.asked((-1, -4)) as blocks:
      features = backbone(video, train)
    blocks()[-1].grid
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax

from vidpetl.backbones import features
from vidpetl.backbones import site as site_lib


@dataclasses.dataclass(frozen=True)
class Span:
  """Every k-th block from `last` back to `first`.

  Attributes:
    first: number of a block, from 0, or from the end, -1 the last.
    last: the same.
    every: k.
  """

  first: int = 0
  last: int = -1
  every: int = 1

  def numbers(self, count: int) -> list[int]:
    """Returns them in rising order, of a backbone of so many blocks."""
    _check((self.first, self.last), count)
    first, last = self.first % count, self.last % count
    if first > last:
      raise ValueError(
        f'no block is between first={self.first} and last={self.last} of '
        f'{count} blocks'
      )
    return list(range(last, first - 1, -self.every))[::-1]


_shown: contextvars.ContextVar[list[features.Block] | None] = (
  contextvars.ContextVar('shown', default=None)
)


def tap(x: jax.Array, grid: site_lib.Grid | None = None) -> jax.Array:
  """Shows what a block has made, and returns it.

  Args:
    x: tokens, or a volume [b, t, h, w, d].
    grid: where the tokens sit.
  """
  shown = _shown.get()
  if shown is not None:
    lead, volume = grid.to_volume(x) if grid else (None, x)
    rows = grid.rows if grid else 'frame'
    shown.append(features.Block(volume, lead, rows))
  return x


Blocks = Sequence[int | Span]


def is_asked() -> bool:
  """Whether anybody reads what blocks make."""
  return _shown.get() is not None


@contextlib.contextmanager
def asked(
  numbers: Blocks,
) -> Iterator[Callable[..., Mapping[int, features.Block]]]:
  """What blocks make within is kept.

  Args:
    numbers: of blocks in the order in which they run, from 0; -1 is the last.

  Yields:
    A function, for afterwards: some of `numbers`, or all -> number -> what
    that block made. It raises ValueError for a block that the backbone does
    not have.
  """
  shown: list[features.Block] = []

  def taken(some: Blocks = numbers) -> Mapping[int, features.Block]:
    return {n: shown[n] for n in _each(some, len(shown))}

  token = _shown.set(shown if numbers else None)
  try:
    yield taken
  finally:
    _shown.reset(token)


def _each(numbers: Blocks, count: int) -> list[int]:
  """Returns numbers of blocks, those of spans among them."""
  plain = [n for n in numbers if not isinstance(n, Span)]
  _check(plain, count)
  spans = [n.numbers(count) for n in numbers if isinstance(n, Span)]
  return [*plain, *(n for span in spans for n in span)]


def _check(numbers: Sequence[int], count: int) -> None:
  if wrong := [n for n in numbers if not -count <= n < count]:
    raise ValueError(
      f'block {wrong[0]} is asked for: the backbone has blocks 0 to '
      f'{count - 1}, or from the end -{count} to -1'
    )
