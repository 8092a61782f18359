"""A film, the task that it is asked, and how."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from vidpetl.data import decode, examples, frames
from vidpetl.inference.people import choice
from vidpetl.tasks import task as task_lib

Film = decode.Video | frames.Frames
# Fields of `Options` that say how a film is cut.
WINDOWS = ('window', 'hop')


@dataclasses.dataclass(frozen=True)
class Options:
  """What may be chosen of an answer; a trained run says all the rest.

  Attributes:
    window: seconds of a film that are answered at a time; None is as long as
      training examples are, and a film that is hardly longer is one window.
    hop: seconds from one window to the next; None is `window`.
    people: finds the people of films, see `people.choice`; also what its `of`
      takes, the path of a csv of boxes or a detector. None is the detector that
      needs nothing else.
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
    if isinstance(self.people, str | os.PathLike):
      object.__setattr__(self, 'people', choice.of(self.people))

  def check(self, known: Sequence[str], kind: str) -> None:
    """Raises ValueError for an option that a kind of answer does not know.

    Args:
      known: fields that it asks for.
      kind: what it is, in words.
    """
    for field in dataclasses.fields(self):
      given = getattr(self, field.name) not in (field.default, '')
      if given and field.name not in known:
        takes = ', '.join(known) or 'no options'
        raise ValueError(
          f'{field.name} is of no use to {kind}, which takes {takes}.'
        )


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
    looked: is told of moments at which people were looked for: how many more,
      of how many.
  """

  name: str
  film: Film
  task: task_lib.Base
  info: examples.Info
  seconds: Mapping[str, float] | None
  options: Options
  looked: Callable[[int, int], None] = lambda count, total: None

  @property
  def duration(self) -> float:
    """Seconds of the film."""
    return self.film.duration


@dataclasses.dataclass(frozen=True)
class Asked(Sequence):
  """The windows of a film.

  Attributes:
    windows: annotations of the task's kind.
    more: what their answer has to know besides.
  """

  windows: Sequence[Any]
  more: Any = None

  def __len__(self) -> int:
    return len(self.windows)

  def __getitem__(self, i):
    return self.windows[i]


class Program(Protocol):
  """A task of a trained model, with what it needs besides a film."""

  def outputs(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns what an evaluation makes of clips; see `Adapters.outputs`."""

  def without_segments(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns that, and the same without each segment of the clips."""

  def compare(self, pairs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns what the task makes of pairs of encoded clips."""

  def exemplars(self) -> Mapping[str, np.ndarray]:
    """Returns what the run has kept of its exemplars, [m, ...] each.

    Raises:
      ValueError: if it has kept none.
    """
