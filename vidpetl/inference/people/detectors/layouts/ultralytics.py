"""One output [b, 4 + c, n], as ultralytics writes YOLOv8 and YOLO11.

Of each cell of grids with strides 8, 16 and 32: centre and extent in pixels of
the input, and c classes after the sigmoid. Pictures lie in the middle of grey,
red first, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract


def _fits(graph: contract.Graph) -> bool:
  shape = graph.only()
  return bool(
    shape
    and None not in shape[1:]
    and shape[1] > 4
    and shape[2] == graph.cells((8, 16, 32))
  )


def _classes(graph: contract.Graph) -> int | None:
  shape = graph.only()
  return shape[1] - 4 if shape and shape[1] else None


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  (columns,) = outputs.values()
  boxes = contract.corners(columns[:4].T)
  return placed.fractions(boxes), columns[4 + person]


LAYOUT = contract.Layout(
  title='YOLOv8 and later: one output [1, 4 + classes, cells]',
  fits=_fits,
  pixels=pixels.Pixels(fit='centre'),
  classes=_classes,
  decode=_decode,
  suppress=True,
)
