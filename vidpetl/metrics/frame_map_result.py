"""What frame-mAP is: the result, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping

from vidpetl import durable, tables


@dataclasses.dataclass(frozen=True)
class Result:
  """Frame-mAP and what it was computed from.

  Attributes:
    protocol: name of the protocol.
    mean_ap: mean of `ap_by_class` without its NaNs; NaN if nothing else.
    ap_by_class: class id to average precision in [0, 1]; NaN without ground
      truth, 0 without detections.
    groups: mean over AVA's head, mid and tail classes; empty if the label map
      is not AVA's.
    num_gt: class id to ground truth rows.
    num_detections: class id to detections that entered the curve.
    left_out: reason to number of detections left out for it: 'unlisted class',
      'excluded image', 'image without ground truth', 'cap', 'degenerate box'.
  """

  protocol: str
  mean_ap: float
  ap_by_class: dict[int, float]
  groups: dict[str, float]
  num_gt: dict[int, int]
  num_detections: dict[int, int]
  left_out: dict[str, int]


def table(result: Result, classes: Mapping[int, str]) -> str:
  """Returns overall, group and class results as lines of text.

  Args:
    result: of the evaluation.
    classes: class id to name.
  """
  lines = [f'frame-mAP@0.5, protocol {result.protocol}', '']
  overall = {'overall': result.mean_ap} | result.groups
  lines.append(
    tables.columns([(k, _percent(v)) for k, v in overall.items()], '<>')
  )
  rows = [('AP', 'truth', 'detected', 'class')]
  rows += [
    (
      _percent(ap),
      str(result.num_gt[class_id]),
      str(result.num_detections[class_id]),
      f'{class_id} {classes[class_id]}',
    )
    for class_id, ap in result.ap_by_class.items()
  ]
  lines += ['', tables.columns(rows, '>>><')]
  lines += [
    f'left out: {count} detections ({reason})'
    for reason, count in result.left_out.items()
    if count
  ]
  return '\n'.join(lines)


def write_json(
  result: Result,
  classes: Mapping[int, str],
  path: str | os.PathLike[str],
) -> None:
  """Writes the result; a class without ground truth has AP null."""
  report = {
    'protocol': result.protocol,
    'mean_ap': _number(result.mean_ap),
    'groups': {name: _number(ap) for name, ap in result.groups.items()},
    'left_out': result.left_out,
    'classes': [
      {
        'id': class_id,
        'name': classes[class_id],
        'ap': _number(ap),
        'num_gt': result.num_gt[class_id],
        'num_detections': result.num_detections[class_id],
      }
      for class_id, ap in result.ap_by_class.items()
    ],
  }
  durable.write(path, json.dumps(report, indent=2) + '\n')


def _percent(ap: float) -> str:
  return '-' if math.isnan(ap) else f'{100 * ap:.2f}'


def _number(ap: float) -> float | None:
  return None if math.isnan(ap) else ap
