"""A film, the task that it is asked, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from vidpetl.data import decode, examples, frames
from vidpetl.tasks import task as task_lib

Film = decode.Video | frames.Frames


@dataclasses.dataclass(frozen=True)
class Options:
  """What may be chosen of an answer; a trained run says all the rest.

  Attributes:
    window: seconds of a film that are answered at a time; None is as long as
      training examples are, and a film that is hardly longer is one window.
    hop: seconds from one window to the next; None is `window`.
    people: finds the people of a film, see `inference.people`; None takes the
      one that needs nothing else.
    difficulty: of a performance, where its score depends on it.
    action: that is performed, where exemplars are of one action.
  """

  window: float | None = None
  hop: float | None = None
  people: Any = None
  difficulty: float | None = None
  action: str = ''

  def __post_init__(self):
    for name in ('window', 'hop'):
      value = getattr(self, name)
      if value is not None and not value > 0:
        raise ValueError(f'{name} is {value}; it is seconds, more than 0.')


@dataclasses.dataclass(frozen=True)
class Question:
  """A film that is asked a task.

  Attributes:
    name: of the film, as answers and errors call it.
    film: opened.
    task: that is asked.
    info: what is known of the task's classes.
    seconds: how long training examples are: 'median' and 'longest'; None if
      that is not known.
    options: what a user chose.
  """

  name: str
  film: Film
  task: task_lib.Base
  info: examples.Info
  seconds: Mapping[str, float] | None
  options: Options

  @property
  def duration(self) -> float:
    """Seconds of the film."""
    return self.film.duration


class Program(Protocol):
  """A task of a trained model, with what it needs besides a film."""

  def outputs(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns what an evaluation makes of clips; see `Adapters.outputs`."""

  def compare(self, pairs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns what the task makes of pairs of encoded clips."""

  def exemplars(self) -> Mapping[str, np.ndarray]:
    """Returns what the run has kept of its exemplars, [m, ...] each.

    Raises:
      ValueError: if it has kept none.
    """
