"""What is said of a film."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from vidpetl.metrics import predictions

# (frame uint8 [h, w, 3], its time in seconds) -> the frame with the answer.
Painter = Callable[[np.ndarray, float], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Answer:
  """What a task says of a film; each kind has its own fields behind these.

  Attributes:
    film: its name.
    task: that was asked.
    duration: seconds of the film.
    damaged: seconds of pictures that are damaged, so that an intact one beside
      them was shown to the model.
  """

  film: str
  task: str
  duration: float
  damaged: tuple[float, ...] = dataclasses.field(default=(), kw_only=True)

  kind: ClassVar[str] = ''
  # Tables whose file has no line of names, as its readers want it.
  headless: ClassVar[tuple[str, ...]] = ()

  def tables(self) -> dict[str, predictions.Columns]:
    """Returns the rows that the film adds to csv files: file -> columns."""
    raise NotImplementedError

  def to_json(self) -> dict[str, Any]:
    """Returns all of it in json's types."""
    said = {
      'film': self.film,
      'task': self.task,
      'kind': self.kind,
      'duration': round(self.duration, 6),
    }
    if self.damaged:
      said['damaged'] = [round(second, 6) for second in self.damaged]
    return said

  def painter(self) -> Painter:
    """Returns what draws the answer into the film's frames."""
    raise NotImplementedError

  def __str__(self) -> str:
    """Returns the answer in a line."""
    raise NotImplementedError
