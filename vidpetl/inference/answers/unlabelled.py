"""Pretext tasks: what was asked of each window, and what the model answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vidpetl.data import names
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import unlabelled as kind
from vidpetl.inference import answer as answer_lib
from vidpetl.inference import windows
from vidpetl.inference.overlay import lines
from vidpetl.inference.question import Program, Question

OPTIONS, PROGRAM = ('window', 'hop'), 'outputs'


@dataclasses.dataclass(frozen=True)
class Answers(answer_lib.Answer):
  """What a pretext task's own evaluation would say of the windows.

  Which question a window is asked is drawn, by its number in the film.

  Attributes:
    begins: [n] seconds of the windows.
    ends: [n].
    columns: of the evaluation's table, [n] each: the question's right answers,
      'truth_…', and the model's, 'answer_…'; or what else the task says.
    measured: shares of right answers, by name.
  """

  begins: np.ndarray
  ends: np.ndarray
  columns: Mapping[str, Sequence[Any]]
  measured: Mapping[str, float]

  kind: ClassVar[str] = 'unlabelled'

  def tables(self):
    count = len(self.begins)
    return {
      'videos': {
        'film': [self.film],
        'duration': [f'{self.duration:.3f}'],
        'windows': [count],
        **{name: [value] for name, value in self.measured.items()},
      },
      'windows': {
        'film': [self.film] * count,
        'begin': [f'{t:.3f}' for t in self.begins],
        'end': [f'{t:.3f}' for t in self.ends],
        **self.columns,
      },
    }

  def to_json(self) -> dict[str, Any]:
    return super().to_json() | {
      'measured': dict(self.measured),
      'windows': [
        {
          'begin': round(float(begin), 6),
          'end': round(float(end), 6),
          **{name: _plain(cells[k]) for name, cells in self.columns.items()},
        }
        for k, (begin, end) in enumerate(zip(self.begins, self.ends))
      ],
    }

  def painter(self) -> answer_lib.Painter:
    told = [
      [(name, str(cells[k])) for name, cells in self.columns.items()]
      for k in range(len(self.begins))
    ]
    return lines.Lines(self.begins, self.ends, told, self.duration)

  def __str__(self):
    shares = ', '.join(f'{k} {100 * v:.1f} %' for k, v in self.measured.items())
    of = names.plural(len(self.begins), 'window')
    return f'{self.film}: {of}, {shares}'


def ask(question: Question) -> Sequence[kind.Piece]:
  """Returns the windows of a film."""
  return [
    kind.Piece(question.name, begin, end)
    for begin, end in windows.cut(question)
  ]


def answer(
  question: Question,
  asked: Sequence[kind.Piece],
  rows: Mapping[str, np.ndarray],
  program: Program,
) -> Answers:
  """Returns what is said of the film.

  Args:
    question: that was asked.
    asked: what `ask` returned.
    rows: what the task's metric needs of each.
    program: of the model; not asked.
  """
  del program
  cut = [(each.start, each.end) for each in asked]
  begins, ends = windows.places(cut, question.duration)
  ids = Strings(f'{b:.2f}-{e:.2f} s' for b, e in zip(begins, ends))
  source = kind.Pieces(
    question.info, ids=ids, video=lambda i: question.name, starts=begins
  )
  metric = question.task.metric(source)
  metric.update({**rows, 'index': np.arange(len(asked))})
  said = metric.predictions().columns
  return Answers(
    film=question.name,
    task=question.task.name,
    duration=question.duration,
    begins=begins,
    ends=ends,
    columns={k: list(cells) for k, cells in said.items() if k != 'id'},
    measured={k: float(value) for k, value in metric.result().items()},
  )


def _plain(cell: Any) -> Any:
  return cell.item() if isinstance(cell, np.generic) else cell
