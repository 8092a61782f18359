"""DETR of transformers: as `queries`, but the last class means nothing.

`logits` [b, n, 92] are before the softmax: COCO's ids to 90, and no object.
Pictures have ImageNet's mean and deviation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.special

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract, queries


def _classes(graph: contract.Graph) -> int | None:
  count = queries.classes(graph)
  return count and count - 1


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  shares = scipy.special.softmax(outputs[queries.LOGITS], axis=-1)
  return contract.corners(outputs[queries.BOXES]), shares[:, person]


LAYOUT = contract.Layout(
  title='DETR of transformers: 92 logits, the last for nothing',
  fits=lambda graph: (
    queries.of_transformers(graph) and queries.classes(graph) == 92
  ),
  pixels=pixels.Pixels(normal=pixels.IMAGENET),
  classes=_classes,
  decode=_decode,
  suppress=False,
  extras=queries.mask,
)
