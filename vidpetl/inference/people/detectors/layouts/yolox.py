"""YOLOX (https://arxiv.org/abs/2107.08430), as tools/export_onnx.py writes it.

One output [b, n, 5 + c]: of each cell of grids with strides 8, 16 and 32,
row by row, the centre's offset from the cell (in cells), the logarithm of the
extent (in cells), and after the sigmoid objectness and c classes. Pictures lie
in the upper left corner of grey, blue first, from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract

# Of P5 and P6 networks.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
PIXELS = pixels.Pixels(fit='corner', bgr=True, unit=False)


def _fits(graph: contract.Graph) -> bool:
  shape = graph.only()
  if shape is None or None in shape[1:]:
    return False
  return shape[2] > 5 and shape[1] in map(graph.cells, _STRIDES)


def classes(graph: contract.Graph) -> int | None:
  shape = graph.only()
  return shape[2] - 5 if shape and shape[2] else None


def _cells(placed: pixels.Placed, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns corners [n, 2] of cells, in cells, and their strides [n, 1]."""
  for chosen in _STRIDES:
    rows = [
      (x, y, stride)
      for stride in chosen
      for y in range(placed.height // stride)
      for x in range(placed.width // stride)
    ]
    if len(rows) == count:
      break
  table = np.array(rows, np.float32)
  return table[:, :2], table[:, 2:]


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  (rows,) = outputs.values()
  cells, strides = _cells(placed, len(rows))
  # What a broken file says of extents would overflow.
  extents = np.exp(np.minimum(rows[:, 2:4], 20)) * strides
  centres = (rows[:, :2] + cells) * strides
  return scored(rows, np.concatenate([centres, extents], 1), placed, person)


def scored(
  rows: np.ndarray, boxes: np.ndarray, placed: pixels.Placed, person: int
) -> contract.Decoded:
  """Returns boxes as fractions, and objectness times the class's score."""
  scores = rows[:, 4] * rows[:, 5 + person]
  return placed.fractions(contract.corners(boxes)), scores


LAYOUT = contract.Layout(
  title='YOLOX: one output [1, cells, 5 + classes]',
  fits=_fits,
  pixels=PIXELS,
  classes=classes,
  decode=_decode,
  suppress=True,
)
