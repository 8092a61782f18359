"""Frame-mAP as a table and as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from vidpetl.metrics import frame_map


def table(result: frame_map.Result, classes: Mapping[int, str]) -> str:
  """Returns overall, group and class results as lines of text.

  Args:
    result: of the evaluation.
    classes: class id to name.
  """
  lines = [f'frame-mAP@0.5, protocol {result.protocol}', '']
  overall = {'overall': result.mean_ap} | result.groups
  lines += [f'{name:8s} {_percent(value)}' for name, value in overall.items()]
  lines += ['', f'{"AP":>6s} {"truth":>8s} {"detected":>9s}  class']
  lines += [
    f'{_percent(ap)} {result.num_gt[class_id]:8d} '
    f'{result.num_detections[class_id]:9d}  {class_id} {classes[class_id]}'
    for class_id, ap in result.ap_by_class.items()
  ]
  lines += [
    f'left out: {count} detections ({reason})'
    for reason, count in result.left_out.items()
    if count
  ]
  return '\n'.join(lines)


def write_json(
  result: frame_map.Result,
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
  with open(path, 'w', encoding='utf-8') as f:
    json.dump(report, f, indent=2)
    f.write('\n')


def _percent(ap: float) -> str:
  return '     -' if math.isnan(ap) else f'{100 * ap:6.2f}'


def _number(ap: float) -> float | None:
  return None if math.isnan(ap) else ap
