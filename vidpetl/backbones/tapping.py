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
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax

from vidpetl.backbones import features
from vidpetl.backbones import site as site_lib

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
    shown.append(features.Block(volume, lead))
  return x


def is_asked() -> bool:
  """Whether anybody reads what blocks make."""
  return _shown.get() is not None


@contextlib.contextmanager
def asked(
  numbers: Sequence[int],
) -> Iterator[Callable[[], Mapping[int, features.Block]]]:
  """What blocks make within is kept.

  Args:
    numbers: of blocks in the order in which they run, from 0; -1 is the last.

  Yields:
    A function, for afterwards: number -> what that block made. It raises
    ValueError for a block that the backbone does not have.
  """
  shown: list[features.Block] = []

  def taken() -> Mapping[int, features.Block]:
    count = len(shown)
    if wrong := [n for n in numbers if not -count <= n < count]:
      raise ValueError(
        f'block {wrong[0]} is asked for: the backbone has blocks 0 to '
        f'{count - 1}, or from the end -{count} to -1'
      )
    return {n: shown[n] for n in numbers}

  token = _shown.set(shown if numbers else None)
  try:
    yield taken
  finally:
    _shown.reset(token)
