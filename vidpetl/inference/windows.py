"""Into which windows a film is cut."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.inference.question import Question

# A film is one window up to so many times the longest training example.
_HARDLY_LONGER = 1.25
# Seconds of a film for which a picture stands, where examples are pictures.
_PICTURE = 1.0
# Seconds, where neither training examples nor a clip's steps say it.
_DEFAULT = 10.0

Windows = list[tuple[float, float | None]]


def cut(question: Question) -> Windows:
  """Returns (begin, end) of each window in seconds; None is the film's end.

  A film of about the length of training examples is one window: the answer is
  that of an evaluation. A longer one is cut into windows of their median
  length, one behind the other; what is left over, less than half a window,
  belongs to the last one.

  Args:
    question: whose options may say otherwise.
  """
  length, known = question.options.window, _known(question)
  duration = question.duration
  if length is None:
    longest = known['longest'] if known else _span(question)
    if duration <= _HARDLY_LONGER * longest:
      return [(0.0, None)]
    length = known['median'] if known else longest
  hop = question.options.hop or length
  count = max(1, int(np.ceil((duration - length / 2) / hop)))
  begins = [k * hop for k in range(count)]
  ends: list[float | None] = [min(b + length, duration) for b in begins]
  if duration - ends[-1] <= length / 2:
    ends[-1] = None
  return list(zip(begins, ends))


def _known(question: Question) -> Mapping[str, float] | None:
  """Returns how long training examples are; pictures stand for a second."""
  known = question.seconds
  if question.task.eval_clip.frames == 1:
    longest = known['longest'] if known else 0.0
    if longest < _PICTURE:
      return {'median': _PICTURE, 'longest': _PICTURE}
  return known


def _span(question: Question) -> float:
  """Returns the seconds that a clip spans, if it has even steps."""
  clip = question.task.eval_clip
  if clip.sampling != 'stride':
    return _DEFAULT
  fps = clip.fps or question.info.fps or question.film.fps
  return clip.frames * clip.stride / fps


def places(windows: Windows, duration: float) -> tuple[np.ndarray, np.ndarray]:
  """Returns begins and ends [n] in seconds."""
  begins = np.array([begin for begin, _ in windows])
  ends = np.array([duration if end is None else end for _, end in windows])
  return begins, ends
