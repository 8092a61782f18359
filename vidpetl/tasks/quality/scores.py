"""Metrics of predicted scores, and of scores relative to other examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vidpetl.data import examples
from vidpetl.data.sources import gallery
from vidpetl.metrics import predictions, rank
from vidpetl.tasks.quality import scatter

_PAIRS = 64  # Compared at a time; the last ones are padded to as many.
# Of what an exemplar was encoded to, in `RelativeScores.exemplars`.
ENCODED = 'encoded/'


Run = Callable[[Mapping[str, Any]], Mapping[str, jax.Array]]
Rows = Mapping[str, np.ndarray]


def votes(
  run: Run,
  pairs: Sequence[tuple[int, int]],
  query: Callable[[Sequence[int]], Rows],
  exemplar: Callable[[Sequence[int]], Rows],
) -> np.ndarray:
  """Returns what exemplars say of queries, [p].

  Args:
    run: see `RelativeScores.compare`.
    pairs: p numbers of a query and of an exemplar.
    query: numbers [n] of queries -> what they were encoded to, [n, ...].
    exemplar: the same of exemplars.
  """
  found = []
  for begin in range(0, len(pairs), _PAIRS):
    some = list(pairs[begin : begin + _PAIRS])
    padded = some + some[:1] * (_PAIRS - len(some))
    queries, exemplars = zip(*padded)
    outputs = run({'query': query(queries), 'exemplar': exemplar(exemplars)})
    found.append(np.asarray(outputs['predicted'])[: len(some)])
  return np.concatenate(found) if found else np.zeros(0)


class Scores:
  """Spearman's correlation and distances of final scores."""

  def __init__(self, source: examples.Source):
    self.names = {'spearman': 1, 'l2': -1, 'relative_l2': -1}
    self._source = source
    self._rows = predictions.Rows()

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds 'predicted', 'score' and 'index' [n].

    Of heads with judges also 'judges' [n, j], their predicted scores, and
    'judge_scores' [n, j], the true ones.
    """
    self._rows.add(rows)

  def predictions(self) -> predictions.Predictions:
    """Returns columns id, truth, predicted, and judge1, judge1_truth, …"""
    if not self._rows:
      return predictions.Predictions({'id': ()})
    columns = {
      'id': self._rows.ids(self._source),
      'truth': self._rows['score'],
      'predicted': self._rows['predicted'],
    }
    if 'judges' in self._rows.names():
      each = zip(self._rows['judges'].T, self._rows['judge_scores'].T)
      for number, (predicted, truth) in enumerate(each, 1):
        columns[f'judge{number}'] = predicted
        columns[f'judge{number}_truth'] = truth
    return predictions.Predictions(columns)

  def result(self) -> dict[str, float]:
    predicted, true = self._scores()
    if not true.size:
      return dict.fromkeys(self.names, float('nan'))
    return {
      'spearman': rank.spearman(predicted, true),
      'l2': rank.l2(predicted, true),
      'relative_l2': rank.relative_l2(predicted, true),
    }

  def pictures(self) -> dict[str, np.ndarray]:
    """Returns the scatter plot of what is scored, if anything is."""
    predicted, true = self._scores()
    if not true.size or not np.isfinite(predicted).all():
      return {}
    spearman = self._correlation(rank.spearman(predicted, true))
    title = f'{true.size} performances, {spearman}'
    return {'scores': scatter.draw(predicted, true, title)}

  def report(self) -> str:
    result = self.result()
    return (
      f'{self._correlation(result["spearman"])}  l2 {result["l2"]:.4g}'
      f'  R-l2 x 100 {100 * result["relative_l2"]:.4g}'
    )

  def _correlation(self, spearman: float) -> str:
    reason = rank.undefined(*self._scores())
    return f'Spearman x 100 {100 * spearman:.2f}' + (
      f' ({reason})' if reason else ''
    )

  def _scores(self) -> tuple[np.ndarray, np.ndarray]:
    if not self._rows:
      return np.zeros(0), np.zeros(0)
    return self._rows['predicted'], self._rows['score']


class RelativeScores(Scores):
  """The same, where each score is a mean over exemplars, which vote.

  `update` takes what the task keeps of each video, queries and exemplars alike;
  `compare` then makes scores of them.
  """

  def __init__(self, source: examples.Source):
    """Opens an empty metric.

    Args:
      source: a `gallery.Gallery`.
    """
    super().__init__(source)
    self._encoded: dict[int, dict[str, np.ndarray]] = {}
    self._voters: dict[int, list[int]] = {}
    self._votes = np.zeros(0)
    self._lost = 0

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Keeps all arrays [n, ...] of each example."""
    kept = {k: v for k, v in rows.items() if k not in ('index', 'valid')}
    for n, i in enumerate(rows['index']):
      self._encoded[int(i)] = {k: v[n] for k, v in kept.items()}

  def compare(self, run: Run) -> None:
    """Scores each query that could be decoded.

    Args:
      run: {'query': what `update` was given of each, 'exemplar': the same},
        [p, ...] with p fixed -> {'predicted': final scores of the queries [p]}.

    Raises:
      ValueError: none of a query's exemplars could be decoded.
    """
    self._voters = self._decoded_voters()
    pairs = [(q, v) for q, voters in self._voters.items() for v in voters]
    self._votes = votes(run, pairs, self._stack, self._stack)
    of = np.array([q for q, _ in pairs], np.int64)
    self._rows = predictions.Rows()
    for q in self._voters:
      self._rows.add(
        {
          'predicted': self._votes[of == q].mean(keepdims=True),
          'score': self._encoded[q]['score'][None],
          'index': np.array([q]),
        }
      )

  def predictions(self) -> predictions.Predictions:
    """Adds a file of votes: id, exemplar, exemplar_score, vote."""
    pairs = [(q, v) for q, voters in self._voters.items() for v in voters]
    votes = {
      'id': [self._source[q].id for q, _ in pairs],
      'exemplar': [
        self._source[v].id.removeprefix(gallery.PREFIX) for _, v in pairs
      ],
      'exemplar_score': [self._encoded[v]['score'] for _, v in pairs],
      'vote': self._votes,
    }
    found = super().predictions()
    if not pairs:
      return found
    return dataclasses.replace(
      found, more={'votes': votes}, arrays=self.exemplars()
    )

  def exemplars(self) -> dict[str, np.ndarray]:
    """Returns all that it takes to compare a further performance.

    Returns:
      Of the m exemplars that voted, [m, ...] each: 'id', 'score', 'difficulty',
      'action' as annotated, and under `ENCODED` what `update` was given.
    """
    voted = sorted({v for voters in self._voters.values() for v in voters})
    annotated = [self._source[v] for v in voted]
    encoded = self._stack(voted)
    return {
      'id': np.array([e.id.removeprefix(gallery.PREFIX) for e in annotated]),
      'score': np.array([e.score for e in annotated], np.float64),
      'difficulty': np.array([e.difficulty for e in annotated], np.float64),
      'action': np.array([e.action for e in annotated], str),
      **{ENCODED + name: array for name, array in encoded.items()},
    }

  def report(self) -> str:
    counts = [len(voters) for voters in self._voters.values()]
    lines = [super().report()]
    if counts:
      fewer = f' ({min(counts)} at least)' if min(counts) < max(counts) else ''
      lines.append(f'{len(counts)} queries, {max(counts)} votes each{fewer}')
    if undecodable := self._source.queries - len(counts):
      lines.append(f'{undecodable} queries could not be decoded')
    if self._lost:
      lines.append(f'{self._lost} votes lost: exemplars not decoded')
    return '\n'.join(lines)

  def _decoded_voters(self) -> dict[int, list[int]]:
    """Returns each decoded query's decoded exemplars; counts the others."""
    found: dict[int, list[int]] = {}
    self._lost = 0
    for query in range(self._source.queries):
      if query not in self._encoded:
        continue
      drawn = self._source.voters(query)
      voters = [int(i) for i in drawn if int(i) in self._encoded]
      if not voters:
        raise ValueError(
          f'None of the {len(drawn)} exemplars of {self._source[query].id} '
          f'({self._source.info.name}/{self._source.info.split}) could be '
          'decoded, so that it has no score; draw more voters.'
        )
      found[query] = voters
      self._lost += len(drawn) - len(voters)
    return found

  def _stack(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    keys = self._encoded[indices[0]]
    return {k: np.stack([self._encoded[i][k] for i in indices]) for k in keys}
