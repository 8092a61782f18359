"""Any number of labels per clip: those of each window, and of the film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from vidpetl.data.kinds import multilabel as kind
from vidpetl.inference import windows
from vidpetl.inference.answers import classes
from vidpetl.inference.question import Program, Question

OPTIONS, PROGRAM = ('window', 'hop'), 'outputs'


class Labels(classes.Scored):
  """Probabilities of labels; the film's are the largest of its windows."""

  kind: ClassVar[str] = 'multilabel'


def ask(question: Question) -> Sequence[kind.Labelled]:
  """Returns the windows of a film."""
  return [
    kind.Labelled(question.name, (), begin, end)
    for begin, end in windows.cut(question)
  ]


def answer(
  question: Question,
  asked: Sequence[kind.Labelled],
  rows: Mapping[str, np.ndarray],
  program: Program,
) -> Labels:
  """Returns what is said of the film.

  Args:
    question: that was asked.
    asked: what `ask` returned.
    rows: 'scores' [n, c] of each.
    program: of the model; not asked.
  """
  del program
  scores = rows['scores']
  return Labels.of(question, asked, scores, scores.max(0))
