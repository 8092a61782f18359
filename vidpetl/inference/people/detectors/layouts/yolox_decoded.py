"""YOLOX exported with --decode_in_inference: extents are in pixels already.

No name and no shape tells it from YOLOX as it is exported by default.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract, yolox


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  (rows,) = outputs.values()
  return yolox.scored(rows, rows[:, :4], placed, person)


LAYOUT = contract.Layout(
  title='YOLOX by --decode_in_inference (to be named, as nothing tells it)',
  fits=lambda graph: False,
  pixels=yolox.PIXELS,
  classes=yolox.classes,
  decode=_decode,
  suppress=True,
)
