"""The numbers of a survey, as check.json has them."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vidpetl import version
from vidpetl.data.names import shown
from vidpetl.data.survey import findings as findings_lib
from vidpetl.data.survey import subject as subject_lib

_BINS = 24


def result(
  data: str,
  subjects: Sequence[subject_lib.Subject],
  findings: Sequence[findings_lib.Finding],
) -> dict[str, Any]:
  """Returns all that was found, of plain types.

  Args:
    data: name of what was surveyed.
    subjects: what was surveyed.
    findings: about them.
  """
  levels = collections.Counter(finding.level for finding in findings)
  paths = {path for subject in subjects for path in subject.paths()}
  known = {
    path
    for subject in subjects
    for part in subject.parts.values()
    for path in part.files()
  }
  return {
    'data': shown(data),
    'vidpetl': version.__version__,
    'levels': {level: levels[level] for level in findings_lib.LEVELS},
    'findings': [dataclasses.asdict(finding) for finding in findings],
    'files': {'all': len(paths), 'known': len(known)},
    'tasks': {subject.name: _task(subject) for subject in subjects},
  }


def _task(subject: subject_lib.Subject) -> dict[str, Any]:
  recipe = subject.recipe
  return {
    'kind': subject.kind,
    'recipe': recipe and dataclasses.asdict(recipe),
    'splits': {name: _split(part) for name, part in subject.parts.items()},
    'classes': [
      {'name': subject.class_name(i)}
      | {name: int(part.counts[i]) for name, part in subject.parts.items()}
      for i in subject.classes
    ],
  }


def _split(part: subject_lib.Part) -> dict[str, Any]:
  files = list(part.files().values())
  good = [record for record in files if record.readable]
  values = lambda name: [getattr(record, name) for record in good]
  faults = collections.Counter(record.fault for record in files)
  return {
    'dataset': shown(part.info.name),
    'split': part.info.split,
    'clips': len(part),
    'left_out': len(part.info.dropped),
    'files': len({path for path in part.paths if path}),
    'known': len(files),
    'faults': {fault: n for fault, n in sorted(faults.items()) if fault},
    'bytes': sum(record.size for record in files),
    'hours': round(sum(values('duration')) / 3600, 3),
    'duration': distribution(values('duration')),
    'clip_duration': distribution(_lengths(part)),
    'fps': distribution(values('fps')),
    'short_side': distribution([min(r.width, r.height) for r in good]),
    'longest_gop': distribution(values('longest_gop')),
    'sizes': counts(f'{r.width}x{r.height}' for r in good),
    'rates': counts(f'{r.fps:.4g}' for r in good),
    'codecs': counts(values('codec')),
    'containers': counts(values('container')),
    'scores': distribution(part.info.table.get('scores', [])),
  }


def _lengths(part: subject_lib.Part) -> list[float]:
  known = [i for i, record in part.known() if record.readable]
  lengths = (part.end(i) - float(part.begins[i]) for i in known)
  return [length for length in lengths if 0 < length < np.inf]


def distribution(values: Iterable[float]) -> dict[str, Any] | None:
  """Returns smallest, median and largest value, and how many lie between.

  Args:
    values: finite ones count.
  """
  array = np.asarray(list(values), np.float64)
  array = array[np.isfinite(array)]
  if not array.size:
    return None
  heights, edges = np.histogram(array, _BINS)
  low, middle, high = np.percentile(array, [0, 50, 100])
  return {
    'min': round(float(low), 4),
    'median': round(float(middle), 4),
    'max': round(float(high), 4),
    'edges': [round(float(edge), 4) for edge in edges],
    'counts': heights.tolist(),
  }


def counts(values: Iterable[Any]) -> dict[str, int]:
  """Returns how often each value is there, the most frequent first."""
  return dict(collections.Counter(values).most_common())
