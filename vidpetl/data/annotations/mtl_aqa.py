"""MTL-AQA's pickled annotations: dives of whole events.

The three files in use differ in what they know of a dive: the first release's
`final_annotations_dict.pkl` has no judges' scores; MUSDL's 'augmented' one has
(and 45.0 where the fourth judge of (4, 49) gave 4.5, which is refused here);
CoRe's `..._with_dive_number.pkl` has the number of the dive too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vidpetl.data.annotations import pickled, text

_EXPECTED = '{(video, clip): {"start_frame": ..., "end_frame": ..., ' \
            '"final_score": ..., "difficulty": ...}}'  # fmt: skip
# field -> its least value
_REQUIRED = {
  'start_frame': 0,
  'end_frame': 0,
  'final_score': 0,
  'difficulty': 1,
}
_MOST_JUDGED = 10


class Dive(NamedTuple):
  """One dive.

  Attributes:
    start_frame: of the event's video, counted from 0.
    end_frame: the frame after its last.
    score: the final one.
    judge_scores: of each judge, 0 to 10; () in a file without.
    difficulty: degree of difficulty.
    number: e.g. '107B'; '' in a file without.
  """

  start_frame: int
  end_frame: int
  score: float
  judge_scores: tuple[float, ...]
  difficulty: float
  number: str


def read(path: str) -> dict[tuple[int, int], Dive]:
  """Reads all dives.

  Args:
    path: of the pickle.

  Returns:
    (video, clip) -> dive.

  Raises:
    text.AnnotationError: naming file, record and field.
  """
  dives = {
    _key(path, key): _dive(path, key, record)
    for key, record in pickled.read(path, dict, _EXPECTED).items()
  }
  first = next(iter(dives.values()))
  for key, dive in dives.items():
    judges = len(dive.judge_scores)
    if judges != len(first.judge_scores):
      problem = f'{key!r}: {judges} judge_scores'
      raise text.fail(path, None, problem, f'{len(first.judge_scores)} as in '
                      'the first record')  # fmt: skip
    if bool(dive.number) != bool(first.number):
      problem = f'{key!r}: dive_number {dive.number!r}'
      raise text.fail(path, None, problem, 'all records to have one, or none')
  return dives


def _key(path: str, key: Any) -> tuple[int, int]:
  try:
    video, clip = key
    return int(video), int(clip)
  except (TypeError, ValueError):
    raise text.fail(path, None, f'the key {key!r}', _EXPECTED) from None


def _dive(path: str, key: Any, record: Any) -> Dive:
  if not isinstance(record, Mapping):
    raise text.fail(path, None, f'{key!r}: {record!r}', _EXPECTED)
  missing = [field for field in _REQUIRED if field not in record]
  if missing:
    raise text.fail(path, None, f'{key!r}: no {", ".join(missing)}', _EXPECTED)
  start, end, score, difficulty = (
    pickled.number(record[field], path, key, field, low)
    for field, low in _REQUIRED.items()
  )
  if start >= end:
    problem = f'{key!r}: start_frame {start:g}, end_frame {end:g}'
    raise text.fail(path, None, problem, 'start_frame < end_frame')
  judged = np.atleast_1d(record.get('judge_scores', ())).tolist()
  return Dive(
    start_frame=int(start),
    end_frame=int(end),
    score=score,
    judge_scores=tuple(
      pickled.number(
        value, path, key, f'judge_scores[{i}]', low=0, high=_MOST_JUDGED
      )
      for i, value in enumerate(judged)
    ),
    difficulty=difficulty,
    number=str(record.get('dive_number', '')),
  )
