"""What of an answer a map shows the reasons of: one number of each clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.studies import grad_cam
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.quality import usdl

# Kinds of tasks that say such a number.
KINDS = ('classification', 'multilabel', 'localisation', 'quality')
HIGHER = 'a higher score'


@dataclasses.dataclass(frozen=True)
class Speaker:
  """The number of a task.

  Attributes:
    task: of the run.
    kind: of its examples.
  """

  task: task_lib.Base
  kind: str

  def value(self, read: Any, inputs: Mapping[str, jax.Array]) -> jax.Array:
    """Returns what is made larger by what a map shows, [b].

    That is the largest logit: of all classes, or of all classes of all people.
    Of scores it is the expectation of their distribution, the mean over judges.

    Args:
      read: what the head says.
      inputs: of the model.
    """
    if self.kind == 'quality':
      expected = dataclasses.replace(self.task, decode='expectation')
      return expected.decoded(read).mean(-1)
    return self._of_those_there(read, inputs).max(-1)

  def told(
    self, read: Any, inputs: Mapping[str, jax.Array]
  ) -> dict[str, jax.Array]:
    """Returns 'label', of the class that it is about, and its 'score', [b]."""
    if self.kind == 'quality':
      unknown = jnp.zeros(len(read))
      batch = {'score': unknown, 'judge_scores': unknown, **inputs}
      score = self.task.outputs(read, batch)['predicted']
      return {'label': jnp.zeros(len(read), jnp.int32), 'score': score}
    logits = self._of_those_there(read, inputs)
    best = logits.argmax(-1)
    if self.kind == 'classification':
      scores = jax.nn.softmax(logits)
    else:
      scores = jax.nn.sigmoid(logits)
    score = jnp.take_along_axis(scores, best[:, None], -1)[:, 0]
    return {'label': best % read.shape[-1], 'score': score}

  def _of_those_there(self, read, inputs) -> jax.Array:
    """Returns logits [b, …] of classes, or of people by classes."""
    logits = read.astype(jnp.float32)
    if self.kind == 'localisation':
      there = inputs['box_valid'][..., None]
      logits = jnp.where(there, logits, -jnp.inf).reshape(len(read), -1)
    return logits

  def words(
    self, clip: Mapping[str, np.ndarray], label: int, classes: Mapping[int, str]
  ) -> tuple[str, str]:
    """Returns the truth of a clip, and what the map speaks for.

    Args:
      clip: as the data give it.
      label: as `told` says.
      classes: names by number.
    """
    name = lambda i: classes.get(int(i), f'class {i}')
    if self.kind == 'quality':
      return f'{float(clip["score"]):g}', HIGHER
    if self.kind == 'classification':
      return name(int(clip['label'])), name(label)
    return '', name(label)


def of(task: task_lib.Base, kind: str) -> Speaker:
  """Returns the speaker of a task.

  Raises:
    ValueError: if it says no such number.
  """
  if kind not in KINDS:
    raise ValueError(f'{task.name} is for {kind}, and says no class or score.')
  if kind == 'quality' and not isinstance(task, usdl.Usdl):
    raise ValueError(
      f'{task.name} scores a clip beside exemplars, and not by itself.'
    )
  return Speaker(task, kind)


def maps_in_frames(
  task: task_lib.Base, maps: np.ndarray, frames: int, side: int
) -> np.ndarray:
  """Returns maps of a clip as maps of its frames, [frames, side, side].

  Where segments overlap, it is the higher one.

  Args:
    task: of the clip.
    maps: [t', h', w'], or [s, t', h', w'] of segments.
    frames: of the clip.
    side: of its square in pixels.
  """
  if maps.ndim == 3:
    return grad_cam.to_frames(maps, frames, side)
  whole = np.zeros((frames, side, side), np.float32)
  for start, each in zip(task.starts, maps, strict=True):
    part = whole[start : start + task.length]
    np.maximum(part, grad_cam.to_frames(each, task.length, side), out=part)
  return whole
