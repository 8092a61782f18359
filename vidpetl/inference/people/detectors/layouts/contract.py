"""What a layout of a detector's graph is, and how its graph is looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vidpetl.inference.people.detectors import pixels

Decoded = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Graph:
  """Names and shapes of a graph; a size that is free is None.

  Attributes:
    path: of the file.
    inputs: name -> shape.
    outputs: name -> shape.
    size: height and width of its pictures, None if the graph leaves it free.
  """

  path: str
  inputs: Mapping[str, tuple[int | None, ...]]
  outputs: Mapping[str, tuple[int | None, ...]]
  size: tuple[int, int] | None

  @property
  def image(self) -> str:
    """Returns the name of the input that takes pictures."""
    return next(n for n, shape in self.inputs.items() if len(shape) == 4)

  def shown(self) -> str:
    """Returns what it has, for errors."""
    return '; '.join(
      f'{what} ' + ', '.join(f'{n} {_shape(s)}' for n, s in named.items())
      for what, named in (('inputs', self.inputs), ('outputs', self.outputs))
    )

  def only(self) -> tuple[int | None, ...] | None:
    """Returns the shape [b, x, y] of the output, if there is but one."""
    shapes = list(self.outputs.values())
    return shapes[0] if len(shapes) == 1 and len(shapes[0]) == 3 else None

  def cells(self, strides: tuple[int, ...]) -> int | None:
    """Returns how many places there are on grids of these strides."""
    if self.size is None:
      return None
    height, width = self.size
    return sum((height // s) * (width // s) for s in strides)


def _shape(shape: tuple[int | None, ...]) -> str:
  return f'[{", ".join("?" if s is None else str(s) for s in shape)}]'


@dataclasses.dataclass(frozen=True)
class Layout:
  """A layout.

  Attributes:
    title: whose it is, and by what it is known.
    fits: whether a graph is of it, by names and shapes. Its size is known.
    pixels: how pictures go in.
    classes: how many classes there are, None if the graph does not say.
    decode: outputs [...] by name (without the batch), where the frame lies in
      the input, and the number of the person's class -> boxes [n, 4] as
      fractions of the frame and scores [n] in [0, 1].
    suppress: whether boxes of one person are to be thinned out.
    extras: graph and (height, width) of the frame -> further inputs.
  """

  title: str
  fits: Callable[[Graph], bool]
  pixels: pixels.Pixels
  classes: Callable[[Graph], int | None]
  decode: Callable[[Mapping[str, np.ndarray], pixels.Placed, int], Decoded]
  suppress: bool
  extras: Callable[[Graph, tuple[int, int]], dict[str, Any]] = (
    lambda graph, size: {}
  )


def corners(boxes: np.ndarray) -> np.ndarray:
  """Returns x1, y1, x2, y2 of boxes [n, 4] given as centre and extent."""
  centre, half = boxes[:, :2], boxes[:, 2:] / 2
  return np.concatenate([centre - half, centre + half], axis=1)
