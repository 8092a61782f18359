"""How the people of films are found, as a user says it."""

from __future__ import annotations

import collections
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np

from vidpetl import mistakes
from vidpetl.data import names
from vidpetl.data.sources import videos
from vidpetl.inference import models
from vidpetl.inference.people import boxes as boxes_lib
from vidpetl.inference.people import finder
from vidpetl.inference.people.detectors import loading
from vidpetl.inference.people.tracked import Detect, Film

_TABLES = ('.csv', '.xlsx', '.ods')
# More than anybody finds in a frame: none is left out.
_ALL = 2**31 - 1


class Choice:
  """Boxes of a csv, or a detector, for any number of films.

  Attributes:
    start: second of the csv at which films begin.
  """

  def __init__(
    self,
    films: Sequence[str] = (),
    boxes: str = '',
    detector: str = '',
    boxes_start: float = 0.0,
    boxes_per_second: float = finder.RATE,
    min_score: float | None = None,
  ):
    """Reads the csv, or opens the detector.

    Args:
      films: paths of all that will be asked for, by which those of one name are
        told apart; others are looked up when they come.
      boxes: path of a csv, see `people.boxes`; or the name of a model that
        vidpetl brings along.
      detector: see `detectors.loading`; without `boxes` and this, it is the one
        that needs no file.
      boxes_start: second of the csv at which films begin.
      boxes_per_second: how often a detector looks.
      min_score: boxes below it are left out; None is what the model was tested
        with for those of a csv, and the finder's default for a detector's.

    Raises:
      ValueError: if both are given, or cannot be read; see there.
      OSError: if there is no such file.
    """
    if boxes and detector:
      raise ValueError(
        f'--boxes={boxes} says where people are, and --detector={detector} '
        'would find them; give one of the two.'
      )
    self.start = boxes_start
    self._boxes = models.find(boxes, models.BOXES)
    self._detector = detector
    self._rate, self._least = boxes_per_second, min_score
    self._tails = _tails([names.shown(film) for film in films])
    self._read: dict[str, boxes_lib.OfFilm | None] = {}
    if boxes and films:
      self._read_boxes(list(self._tails))
    elif not boxes:
      # A mistake in it is to be told before a film is read.
      _ = self._detect

  def called(self, film: str) -> str:
    """Returns what a csv calls a film: as shortly as tells it from others."""
    return self._tails.get(film) or _words(film)[-1]

  def find(
    self,
    opened: Film,
    name: str,
    times: np.ndarray,
    least: float,
    looked: Callable[[int, int], None],
  ) -> finder.Found:
    """Returns the people of a film at some times, however many there are.

    Args:
      opened: the film.
      name: of it.
      times: seconds [m].
      least: score below which boxes of a csv are left out by default.
      looked: is told of moments at which a detector looked: how many more, of
        how many.
    """
    if not self._boxes:
      source, least = finder.Detected(self._detect, looked), finder.MIN_SCORE
    else:
      source = self._of(name)
    return finder.find(
      opened,
      times,
      source,
      boxes_per_second=self._rate,
      min_score=least if self._least is None else self._least,
      max_boxes=_ALL,
    )

  def _of(self, name: str) -> boxes_lib.OfFilm:
    if name not in self._read:
      self._read_boxes([name])
    return self._read[name] or boxes_lib.OfFilm(
      self._boxes, (), by_frame=False, pixels=False, fps=None, first=0, start=0
    )

  def _read_boxes(self, films: list[str]) -> None:
    self._read |= boxes_lib.read(self._boxes, films, start=self.start)

  @functools.cached_property
  def _detect(self) -> Detect:
    if not self._detector:
      mistakes.note(
        "People are found by OpenCV's detector, which misses many and sees "
        'some who are not there; --boxes or --detector gives better ones.'
      )
    return loading.load(self._detector or 'hog')


def of(spec: str | os.PathLike) -> Choice:
  """Returns the way of finding people of a csv's path, or of a detector."""
  spec = models.find(os.fspath(spec), models.BOXES)
  is_table = spec.lower().endswith(_TABLES)
  return Choice(boxes=spec) if is_table else Choice(detector=spec)


def _tails(films: Sequence[str]) -> dict[str, str]:
  """Returns the shortest end of each path that no other one has."""
  found: dict[str, str] = {}
  left, length = {film: _words(film) for film in films}, 1
  while left:
    tails = {film: '/'.join(words[-length:]) for film, words in left.items()}
    often = collections.Counter(tails.values())
    found |= {
      film: tail
      for film, tail in tails.items()
      if often[tail] == 1 or length >= len(left[film])
    }
    left = {film: words for film, words in left.items() if film not in found}
    length += 1
  return found


def _words(film: str) -> list[str]:
  """Returns folders and name of a film, without its suffix."""
  return videos.without_suffix(film.replace('\\', '/').rstrip('/')).split('/')
