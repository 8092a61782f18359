"""One label per clip: the classes of each window, and of the film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from scipy import special

from vidpetl.data.kinds import classification as kind
from vidpetl.inference import windows
from vidpetl.inference.answers import classes
from vidpetl.inference.question import Program, Question

OPTIONS, PROGRAM = ('window', 'hop'), 'outputs'


class Classes(classes.Scored):
  """Probabilities of classes; the film's are the mean over its windows."""

  kind: ClassVar[str] = 'classification'


def ask(question: Question) -> Sequence[kind.Classified]:
  """Returns the windows of a film."""
  return [
    kind.Classified(question.name, 0, begin, end)
    for begin, end in windows.cut(question)
  ]


def answer(
  question: Question,
  asked: Sequence[kind.Classified],
  rows: Mapping[str, np.ndarray],
  program: Program,
) -> Classes:
  """Returns what is said of the film.

  Args:
    question: that was asked.
    asked: what `ask` returned.
    rows: 'scores' and 'logits' [n, c] of each.
    program: of the model; not asked.
  """
  del program
  scores = rows['scores']
  if question.task.average == 'logits':
    whole = special.softmax(scores.mean(0))
    scores = special.softmax(scores, axis=1)
  else:
    whole = scores.mean(0)
  return Classes.of(question, asked, scores, whole, logits=rows['logits'])
