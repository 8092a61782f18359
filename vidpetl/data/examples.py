"""What a dataset is to the rest of the code: annotations, and videos on demand.

A `Source` is a random-access list of annotated videos. Looking at an example
never touches its video, so that counting labels, building the evaluation's
ground truth or planning an epoch stay cheap for a million clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np


@dataclasses.dataclass(frozen=True)
class Dropped:
  """An annotated video that is not in the source, and why."""

  id: str
  path: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Info:
  """What is known of a whole source.

  Attributes:
    name: of the dataset, e.g. 'kinetics400'.
    split: e.g. 'train'.
    kind: of its annotations, a module of `vidpetl.data.kinds`.
    num_classes: outputs that a head needs; 80 for AVA; 0 without classes.
    classes: index -> name; AVA names 60 of its 80.
    fps: nominal frame rate, in which strides are counted; None takes each
      file's own.
    dropped: annotated videos that are missing or unreadable.
    short_side: pixels to which the videos' shorter sides were reduced when they
      were prepared; None if they were not, or nobody says.
    notes: what a user should know of the data, a sentence each: 'a class
      without training clips: jump'.
    fingerprint: hash of ids and annotations, in order.
    files: that hold the videos, where `Source.video` returns bytes of them.
    table: labels as columns, where a kind has them ('quality': 'scores' [n],
      'judge_scores' [n, j], 'difficulties' [n], 'actions' [n], 'steps' [n, k],
      'ids' [n]).
  """

  name: str
  split: str
  kind: str
  num_classes: int
  classes: Mapping[int, str]
  fps: float | None = None
  dropped: tuple[Dropped, ...] = ()
  short_side: int | None = None
  notes: tuple[str, ...] = ()
  fingerprint: str = ''
  files: tuple[str, ...] = dataclasses.field(default=(), compare=False)
  table: Mapping[str, np.ndarray] = dataclasses.field(
    default_factory=dict, compare=False
  )


class Source(Protocol):
  """Random access to annotated videos.

  Attributes:
    info: what is known of the whole.
    ids: of the examples, [n].
  """

  info: Info
  ids: Sequence[str]

  def __len__(self) -> int: ...

  def __getitem__(self, i: int) -> Any:
    """Returns the annotation of example `i`, without reading its video.

    Its class is that of the source's kind; each has an `id`.
    """

  def video(self, i: int) -> str | bytes:
    """Returns the path or the encoded bytes of example `i`'s video."""

  def shown(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns examples and the classes that they show, int [m] each.

    Pairs come in the order of the examples; one that shows several classes, or
    one of them several times, has as many, and one without any has none.
    """

  def take(self, rows: np.ndarray) -> Source:
    """Returns the source of some examples, int [m], in this order."""
