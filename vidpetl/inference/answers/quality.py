"""The score of a performance, what it is made of, and where it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vidpetl import mistakes
from vidpetl.data import index, samplers, sampling
from vidpetl.data.kinds import quality as kind
from vidpetl.experiment import adapters
from vidpetl.inference import answer as answer_lib
from vidpetl.inference.answers import voting
from vidpetl.inference.overlay import score as overlay
from vidpetl.inference.question import Asked, Program, Question

OPTIONS, PROGRAM = ('difficulty', 'action'), 'without_segments'
# A film of so many times the longest training example is hardly one of them.
_MUCH_LONGER = 2.0
_FINE = 10.0  # Scores below have two digits.


@dataclasses.dataclass(frozen=True)
class Score(answer_lib.Answer):
  """The score of a film, which is one performance.

  Attributes:
    score: in the dataset's own unit.
    begins: [s] seconds at which segments begin; they may overlap.
    ends: [s].
    contributions: [s], by how much the score is lower without each segment, in
      whose place is the mean of the others; nan where there is one alone.
    judges: [j], what each judge would say, before some are left out and all
      counts times the difficulty; empty where there are none.
    votes: of exemplars; None where none vote.
    given: what was said of the performance: 'difficulty', 'action'.
  """

  score: float
  begins: np.ndarray
  ends: np.ndarray
  contributions: np.ndarray
  judges: np.ndarray
  votes: voting.Votes | None
  given: Mapping[str, Any]

  kind: ClassVar[str] = 'quality'

  def tables(self):
    count = len(self.begins)
    found = {
      'videos': {
        'film': [self.film],
        'duration': [f'{self.duration:.3f}'],
        **{name: [value] for name, value in self.given.items()},
        'score': [self.score],
        **{f'judge{j}': [v] for j, v in enumerate(self.judges, 1)},
      },
      'segments': {
        'film': [self.film] * count,
        'segment': range(1, count + 1),
        'begin': [f'{t:.3f}' for t in self.begins],
        'end': [f'{t:.3f}' for t in self.ends],
        'contribution': self.contributions,
      },
    }
    if self.votes is not None:
      found['votes'] = {
        'film': [self.film] * len(self.votes.votes),
        'exemplar': self.votes.exemplars.tolist(),
        'exemplar_score': self.votes.exemplar_scores,
        'vote': self.votes.votes,
      }
    return found

  def to_json(self) -> dict[str, Any]:
    said = super().to_json() | {**self.given, 'score': self.score}
    said['segments'] = [
      {
        'begin': round(float(begin), 6),
        'end': round(float(end), 6),
        'contribution': None if np.isnan(value) else float(value),
      }
      for begin, end, value in zip(self.begins, self.ends, self.contributions)
    ]
    if len(self.judges):
      said['judges'] = [float(value) for value in self.judges]
    if self.votes is not None:
      said['votes'] = self.votes.to_json()
    return said

  def painter(self) -> answer_lib.Painter:
    known = ~np.isnan(self.contributions)
    return overlay.Score(
      self.score,
      self.begins[known],
      self.ends[known],
      self.contributions[known],
      self.duration,
      digits=1 if abs(self.score) >= _FINE else 2,
    )

  def __str__(self):
    made_of = ''
    if len(self.judges):
      judges = ' '.join(f'{value:g}' for value in self.judges)
      made_of = f', judges {judges}'
    if self.votes is not None:
      spread = float(self.votes.votes.std())
      made_of = f', {len(self.votes.votes)} votes ± {spread:.4g}'
    return f'{self.film}: score {self.score:.4g}{made_of}'


def ask(question: Question) -> Asked:
  """Returns the film as one performance, with the times of its frames.

  Raises:
    ValueError: if something of it is not said that its score needs.
  """
  options, given = question.options, {}
  for field, reason in question.task.needs.items():
    given[field] = getattr(options, field)
    if given[field] in (None, ''):
      raise ValueError(
        f'{question.task.name} was trained with {reason}: a score needs the '
        f'{field} of the performance; give --{field}=….'
      )
  longest = (question.seconds or {}).get('longest')
  if longest and question.duration > _MUCH_LONGER * longest:
    mistakes.note(
      f'{question.name}: all of its {question.duration:.1f} s count as one '
      f'performance, and those of training last up to {longest:.1f} s; cut it '
      'to the performance.'
    )
  performance = kind.Performance(question.name, float('nan'), **given)
  draws = samplers.Draws(index.example_seed(0, question.info.name, 0))
  clip = question.task.eval_clip
  (times,) = sampling.frame_times(
    question.film, performance, clip, question.info, draws
  )
  return Asked([performance], (times, given))


def plain(question: Question) -> list[kind.Performance]:
  """Returns the film as a performance of which nothing is known."""
  return [kind.Performance(question.name, float('nan'))]


def answer(
  question: Question,
  asked: Asked,
  rows: Mapping[str, np.ndarray],
  program: Program,
) -> Score:
  """Returns what is said of the film.

  Args:
    question: that was asked.
    asked: what `ask` returned.
    rows: of the film [1, ...], and without each segment [1, s, ...].
    program: of the model; asked to compare the film, if exemplars vote.
  """
  times, given = asked.more
  versions = _versions(rows)
  votes = None
  if 'predicted' in versions:
    scores = versions['predicted']
  else:
    votes, scores = voting.vote(question, asked[0], versions, program)
  begins, ends = _places(question, times)
  without = scores[1:] if len(scores) > 1 else np.full(len(begins), np.nan)
  return Score(
    film=question.name,
    task=question.task.name,
    duration=question.duration,
    score=float(scores[0]),
    begins=begins,
    ends=ends,
    contributions=scores[0] - without,
    judges=versions.get('judges', np.zeros((1, 0)))[0],
    votes=votes,
    given=given,
  )


def _versions(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Returns the film's row and those without a segment, [1 + s, ...]."""
  found = {}
  for name, array in rows.items():
    if name.startswith(adapters.WITHOUT):
      continue
    less = rows.get(adapters.WITHOUT + name)
    found[name] = array if less is None else np.concatenate([array, less[0]])
  return found


def _places(
  question: Question, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns begins and ends [s] of segments, in seconds of the film.

  Args:
    question: that was asked.
    times: of the clip's frames, each in the middle of the time it is shown.
  """
  task = question.task
  half = float(np.median(np.abs(np.diff(times)))) / 2 if len(times) > 1 else 0
  spans = [times[first : first + task.length] for first in task.starts]
  begins = np.array([span.min() - half for span in spans])
  ends = np.array([span.max() + half for span in spans])
  return np.maximum(begins, 0), np.minimum(ends, question.duration)
