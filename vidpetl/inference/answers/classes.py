"""Scores of classes over a film: what both kinds of labelled clips share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from vidpetl.inference import answer, windows
from vidpetl.inference.overlay import bar
from vidpetl.inference.question import Question
from vidpetl.metrics import predictions

_BEST = predictions.BEST


@dataclasses.dataclass(frozen=True)
class Scored(answer.Answer):
  """Scores of classes by window, and of the whole film.

  Attributes:
    names: of the c classes.
    begins: [n] seconds of the windows.
    ends: [n].
    window_scores: float32 [n, c] in [0, 1].
    scores: float32 [c], of the whole film.
    logits: float32 [n, c]; None where the task has none of each window.
  """

  names: Sequence[str]
  begins: np.ndarray
  ends: np.ndarray
  window_scores: np.ndarray
  scores: np.ndarray
  logits: np.ndarray | None = None

  @classmethod
  def of(
    cls,
    question: Question,
    asked: Sequence[Any],
    window_scores: np.ndarray,
    scores: np.ndarray,
    **more: Any,
  ) -> Self:
    """Returns the scores of windows, named and in their places.

    Args:
      question: that was asked.
      asked: n windows, as annotations with a start and an end.
      window_scores: [n, c].
      scores: [c], of the whole film.
      **more: further fields.
    """
    cut = [(each.start, each.end) for each in asked]
    begins, ends = windows.places(cut, question.duration)
    return cls(
      film=question.name,
      task=question.task.name,
      duration=question.duration,
      names=predictions.named(question.info.classes, len(scores)),
      begins=begins,
      ends=ends,
      window_scores=window_scores,
      scores=scores,
      **more,
    )

  def top(self, k: int = _BEST) -> list[tuple[str, float]]:
    """Returns the k best classes of the film with their scores."""
    return self._top(self.scores, k)

  def _top(self, scores: np.ndarray, k: int) -> list[tuple[str, float]]:
    best = np.argsort(-scores, kind='stable')[:k]
    return [(self.names[i], float(scores[i])) for i in best]

  def tables(self):
    whole, each = self.scores[None], self.window_scores
    count = len(self.begins)
    return {
      'videos': {
        'film': [self.film],
        'duration': [f'{self.duration:.3f}'],
        **predictions.best(whole, whole, self.names),
      },
      'windows': {
        'film': [self.film] * count,
        'begin': [f'{t:.3f}' for t in self.begins],
        'end': [f'{t:.3f}' for t in self.ends],
        **predictions.best(each, each, self.names),
      },
    }

  def to_json(self) -> dict[str, Any]:
    said = lambda scores: [
      {'class': name, 'score': score}
      for name, score in self._top(scores, _BEST)
    ]
    windows = zip(self.begins, self.ends, self.window_scores)
    return super().to_json() | {
      'top': said(self.scores),
      'windows': [
        {
          'begin': round(float(begin), 6),
          'end': round(float(end), 6),
          'top': said(scores),
        }
        for begin, end, scores in windows
      ],
    }

  def painter(self) -> answer.Painter:
    return bar.Bars(
      self.begins, self.ends, self.names, self.window_scores, self.duration
    )

  def __str__(self):
    best = ', '.join(f'{n} {100 * s:.1f} %' for n, s in self.top(3))
    return f'{self.film}: {best}'
