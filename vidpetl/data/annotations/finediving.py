"""FineDiving's `fine-grained_annotation_aqa.pkl`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vidpetl.data.annotations import pickled, text

_EXPECTED = '{(video, instance): (dive number, score, difficulty, ..., ' \
            'step of each frame)}'  # fmt: skip
_FIELDS = 5


class Dive(NamedTuple):
  """One dive.

  Attributes:
    number: e.g. '407C'.
    score: the final one.
    difficulty: degree of difficulty.
    transitions: the first frames, counted from 0, of its second and of its
      last step. Between them may lie further steps, such as twists.
  """

  number: str
  score: float
  difficulty: float
  transitions: tuple[int, int]


def read(path: str) -> dict[tuple[str, int], Dive]:
  """Reads all dives.

  Args:
    path: of the pickle.

  Returns:
    (video, instance) -> dive.

  Raises:
    text.AnnotationError: naming file, record and field.
  """
  records = pickled.read(path, dict, _EXPECTED)
  return {
    _key(path, key): _dive(path, key, record) for key, record in records.items()
  }


def _key(path: str, key: Any) -> tuple[str, int]:
  try:
    video, instance = key
    return str(video), int(instance)
  except (TypeError, ValueError):
    raise text.fail(path, None, f'the key {key!r}', _EXPECTED) from None


def _dive(path: str, key: Any, record: Any) -> Dive:
  sequence = isinstance(record, list | tuple | np.ndarray)
  if not sequence or len(record) < _FIELDS:
    raise text.fail(path, None, f'{key!r}: {repr(record)[:80]}', _EXPECTED)
  if not isinstance(record[0], str) or not record[0]:
    problem = f'{key!r}: dive number {record[0]!r}'
    raise text.fail(path, None, problem, "a name such as '407C'")
  return Dive(
    number=record[0],
    score=pickled.number(record[1], path, key, 'score', low=0),
    difficulty=pickled.number(record[2], path, key, 'difficulty', low=1),
    transitions=_transitions(path, key, record[4]),
  )


def _transitions(path: str, key: Any, labels: Any) -> tuple[int, int]:
  labels = np.asarray(labels, object)
  if labels.ndim != 1:
    problem = f'{key!r}: steps of shape {labels.shape}'
    raise text.fail(path, None, problem, 'one step for each frame')
  changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
  if not len(changes):
    problem = f'{key!r}: all of its {len(labels)} frames are one step'
    raise text.fail(path, None, problem, 'two steps or more')
  return int(changes[0]), int(changes[-1])
