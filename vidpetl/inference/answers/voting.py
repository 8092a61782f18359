"""Scores by exemplars that a run has kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.data.kinds import quality as kind
from vidpetl.data.sources import gallery
from vidpetl.inference.question import Program, Question
from vidpetl.tasks.quality import scores


@dataclasses.dataclass(frozen=True)
class Votes:
  """What exemplars say of a film.

  Attributes:
    exemplars: ids [m].
    exemplar_scores: [m].
    votes: [m], the film's score by each.
  """

  exemplars: np.ndarray
  exemplar_scores: np.ndarray
  votes: np.ndarray

  def to_json(self) -> list[dict[str, Any]]:
    """Returns them one by one in json's types."""
    each = zip(self.exemplars, self.exemplar_scores, self.votes)
    return [
      {'exemplar': str(name), 'exemplar_score': float(of), 'vote': float(says)}
      for name, of, says in each
    ]


def vote(
  question: Question,
  performance: kind.Performance,
  encoded: Mapping[str, np.ndarray],
  program: Program,
) -> tuple[Votes, np.ndarray]:
  """Compares a film, and the same with something left out, with exemplars.

  Args:
    question: that was asked.
    performance: the film, as what it is compared.
    encoded: n versions of the film as the task encodes them, [n, ...]; the
      first is the film itself.
    program: of the model, which has the exemplars.

  Returns:
    What is said of the film; scores of all versions [n].

  Raises:
    ValueError: if there are no exemplars, or none with which the film may be
      compared.
  """
  kept = program.exemplars()
  chosen = _voters(question, performance, kept)
  of_exemplars = {
    name.removeprefix(scores.ENCODED): array
    for name, array in kept.items()
    if name.startswith(scores.ENCODED)
  }
  (count,) = {len(array) for array in encoded.values()}
  pairs = [(n, m) for n in range(count) for m in chosen.tolist()]
  found = scores.votes(
    program.compare,
    pairs,
    lambda rows: {k: v[list(rows)] for k, v in encoded.items()},
    lambda rows: {k: v[list(rows)] for k, v in of_exemplars.items()},
  ).reshape(count, -1)
  said = Votes(kept['id'][chosen], kept['score'][chosen], found[0])
  return said, found.mean(1)


def _voters(
  question: Question,
  performance: kind.Performance,
  kept: Mapping[str, np.ndarray],
) -> np.ndarray:
  """Returns which exemplars vote, drawn as in an evaluation."""
  task = question.task
  if task.exemplar != 'any':
    there = np.unique(kept[task.exemplar]).tolist()
    value = getattr(performance, task.exemplar)
    if value not in there:
      raise ValueError(
        f'--{task.exemplar}={value}: none of the exemplars has it; they have '
        f'{", ".join(map(str, there))}.'
      )
  table = {
    'scores': kept['score'],
    'difficulties': kept['difficulty'],
    'actions': kept['action'],
  }
  info = dataclasses.replace(question.info, table=table)
  return gallery.draw(
    performance, info, task.exemplar, task.voters, task.voter_seed
  )
