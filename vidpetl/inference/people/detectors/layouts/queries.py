"""Graphs with `logits` and `pred_boxes`, as optimum writes transformers' DETRs.

`logits` [b, n, c] are before the sigmoid; `pred_boxes` are centre and extent as
fractions. RT-DETR and D-FINE have COCO's 80 classes, and pictures from 0 to 1.
Where preprocessor_config.json lies beside the file it is asked for mean and
deviation. `detr` is the layout of those with a class for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.special

from vidpetl.inference.people.detectors import pixels
from vidpetl.inference.people.detectors.layouts import contract

BOXES, LOGITS = 'pred_boxes', 'logits'


def of_transformers(graph: contract.Graph) -> bool:
  """Returns whether a graph has the outputs of transformers."""
  return {BOXES, LOGITS} <= graph.outputs.keys()


def classes(graph: contract.Graph) -> int | None:
  return graph.outputs[LOGITS][-1] if LOGITS in graph.outputs else None


def sigmoid(logits: np.ndarray, person: int) -> np.ndarray:
  """Returns the scores [n] of a class, by itself."""
  return scipy.special.expit(logits[:, person])


def mask(graph: contract.Graph, size: tuple[int, int]):
  """Returns the further input of DETR: no pixel is padding."""
  if 'pixel_mask' not in graph.inputs:
    return {}
  shape = graph.inputs['pixel_mask'][1:]
  shape = [known or side for known, side in zip(shape, size)]
  return {'pixel_mask': np.ones((1, *shape))}


def _decode(
  outputs: Mapping[str, np.ndarray], placed: pixels.Placed, person: int
) -> contract.Decoded:
  boxes = contract.corners(outputs[BOXES])
  return boxes, sigmoid(outputs[LOGITS], person)


LAYOUT = contract.Layout(
  title='transformers: outputs logits, pred_boxes',
  fits=lambda graph: of_transformers(graph) and classes(graph) != 92,
  pixels=pixels.Pixels(),
  classes=classes,
  decode=_decode,
  suppress=False,
  extras=mask,
)
