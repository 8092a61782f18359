"""RF-DETR, as its `export` writes it.

Outputs `dets` [b, n, 4] (centre and extent as fractions) and `labels`
[b, n, 91] (before the sigmoid, by COCO's ids). Pictures are stretched and have
ImageNet's mean and deviation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract, queries


def _fits(graph: contract.Graph) -> bool:
  dets, labels = (graph.outputs.get(name, ()) for name in ('dets', 'labels'))
  # mmdeploy's have the same names, and five columns, and labels without logits.
  return len(dets) == len(labels) == 3 and dets[-1] == 4


def _classes(graph: contract.Graph) -> int | None:
  shape = graph.outputs.get('labels')
  return shape[-1] if shape else None


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  boxes = contract.corners(outputs['dets'])
  return boxes, queries.sigmoid(outputs['labels'], person)


LAYOUT = contract.Layout(
  title='RF-DETR: outputs dets, labels',
  fits=_fits,
  pixels=pixels.Pixels(normal=pixels.IMAGENET),
  classes=_classes,
  decode=_decode,
  suppress=False,
)
