"""Questions whose answer is one of several: losses, right answers, shares."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl.data import clips, examples
from vidpetl.metrics import predictions

_SAID = ('truth_', 'answer_')


def cross_entropy(
  logits: Mapping[str, jax.Array], batch: Mapping[str, jax.Array]
) -> jax.Array:
  """Returns the sum over questions of -log softmax(y)_label, [b].

  Args:
    logits: [b, c] of each question.
    batch: has the labels, int [b], under the questions' names.
  """
  return sum(
    optax.softmax_cross_entropy_with_integer_labels(
      values.astype(jnp.float32), batch[question]
    )
    for question, values in logits.items()
  )


def right(
  logits: Mapping[str, jax.Array], batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns which questions were answered rightly, and 'accuracy': all of them.

  Args:
    logits: [b, c] of each question; with a nan, the answer is wrong.
    batch: has the labels, int [b], under the questions' names.

  Returns:
    bool [b] each.
  """
  answers = {
    question: (values.argmax(-1) == batch[question])
    & ~jnp.isnan(values).any(-1)
    for question, values in logits.items()
  }
  return {'accuracy': jnp.stack([*answers.values()]).all(0), **answers}


def given(
  logits: Mapping[str, jax.Array], batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns 'truth_<question>' and 'answer_<question>' of each, int [b].

  Args:
    logits: [b, c] of each question.
    batch: has the labels, int [b], under the questions' names.
  """
  return {
    f'{word}_{question}': value
    for question, values in logits.items()
    for word, value in (
      ('truth', batch[question]),
      ('answer', values.argmax(-1)),
    )
  }


def summed(
  losses: jax.Array, scalars: Mapping[str, jax.Array], valid: jax.Array
) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
  """Returns what `Base.loss` does: sums over valid examples, all [b]."""

  def total(values):
    return jnp.where(valid, values, 0).sum(dtype=jnp.float32)

  return (
    total(losses),
    valid.sum(dtype=jnp.float32),
    {name: total(values) for name, values in scalars.items()},
  )


def check_sampling(
  name: str,
  module: str,
  sampling: str,
  train_clip: clips.ClipSpec,
  eval_clip: clips.ClipSpec,
  same: tuple[str, ...] = (),
) -> None:
  """Raises ValueError if a task cannot be done with its clips.

  Args:
    name: of the task.
    module: of it, as a config names it.
    sampling: that it needs.
    train_clip: of the task.
    eval_clip: of the task.
    same: options of the sampler in which both must agree.
  """
  where = f'config.tasks.{name}'
  for field, clip in (('clip', train_clip), ('eval_clip', eval_clip)):
    if clip.sampling != sampling:
      raise ValueError(
        f'{where}.{field}.sampling is {clip.sampling!r}, but task={module!r} '
        f'needs {sampling!r}.'
      )
  for field in same:
    trained, tested = (
      getattr(clip.sampler, field) for clip in (train_clip, eval_clip)
    )
    if trained != tested:
      raise ValueError(
        f'{where}.eval_clip.{field} is {tested}, but {where}.clip.{field} is '
        f'{trained}: the answers are different ones.'
      )


class Shares:
  """The share of right answers to each question."""

  def __init__(self, questions: tuple[str, ...], source: examples.Source):
    """Opens an empty metric.

    Args:
      questions: of which shares are given, the first one being what 'best'
        means.
      source: of the evaluation.
    """
    self._questions = questions
    self.names = dict.fromkeys(questions, 1)
    self._source = source
    self._rows = predictions.Rows()

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds what `right` and `given` return, and 'index' [n]."""
    self._rows.add(rows)

  def result(self) -> dict[str, float]:
    return {
      question: float(self._rows[question].mean())
      if self._rows
      else float('nan')
      for question in self._questions
    }

  def predictions(self) -> predictions.Predictions:
    """Returns id, and truth and answer of each question, counted from 0."""
    said = [name for name in self._rows.names() if name.startswith(_SAID)]
    columns = {name: self._rows[name] for name in said}
    return predictions.Predictions(
      {'id': self._rows.ids(self._source), **columns}
    )

  def pictures(self) -> dict[str, np.ndarray]:
    return {}

  def report(self) -> str:
    return '  '.join(f'{k} {100 * v:.2f}' for k, v in self.result().items())
