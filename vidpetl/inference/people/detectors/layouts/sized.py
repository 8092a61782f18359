"""D-FINE and RT-DETR, as their own tools/export_onnx.py write them.

Inputs `images` and `orig_target_sizes` (width and height, by which boxes are
multiplied); outputs `labels`, `boxes` (corners in pixels of that size) and
`scores`, of the 300 best. Pictures are stretched, red first, from 0 to 1, as
in the training of both. Labels count COCO's 80 classes from 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract

_SIZES = 'orig_target_sizes'


def _fits(graph: contract.Graph) -> bool:
  has = {'labels', 'boxes', 'scores'} <= graph.outputs.keys()
  return has and _SIZES in graph.inputs


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  chosen = outputs['labels'] == person
  boxes = placed.fractions(outputs['boxes'][chosen])
  return boxes, outputs['scores'][chosen]


def _extras(graph: contract.Graph, size: tuple[int, int]):
  """Asks for boxes in pixels of the input, which `fractions` takes."""
  return {_SIZES: np.array([size[::-1]])}


LAYOUT = contract.Layout(
  title='D-FINE, RT-DETR: outputs labels, boxes, scores',
  fits=_fits,
  pixels=pixels.Pixels(),
  classes=lambda graph: 80,
  decode=_decode,
  suppress=False,
  extras=_extras,
)
