"""Clips of many windows of one film, which is decoded once, in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  examples,
  frames,
  index,
  picture,
  samplers,
  sampling,
)

Clip = dict[str, np.ndarray]


def read(
  film: decode.Video | frames.Frames,
  asked: Sequence[Any],
  spec: clip_spec.ClipSpec,
  info: examples.Info,
) -> Iterator[tuple[int, Clip]]:
  """Yields a clip for each window of a film, in memory that does not grow.

  A clip is what `clips.load` makes of the same annotation, to the bit. See
  `filled`.

  Args:
    film: opened.
    asked: windows as annotations of the source's kind.
    spec: how clips are cut.
    info: of a source with such annotations.

  Yields:
    The window's number, and its clip.

  Raises:
    decode.DecodeError: if the film is damaged, or ends before a window.
  """

  def window(number: int, annotation: Any) -> Window:
    draws = samplers.Draws(index.example_seed(0, info.name, number))

    def begin() -> Clip:
      clip = clips.padding(info, spec)
      clip['index'][...] = number
      clip['seed'][:] = draws.seed
      return clip

    return Window(number, annotation, draws, begin)

  windows = [window(k, annotation) for k, annotation in enumerate(asked)]
  yield from filled(film, windows, spec, info)


@dataclasses.dataclass(frozen=True)
class Window:
  """What a clip is to show.

  Attributes:
    number: of the window.
    annotation: of the source's kind.
    draws: what is random in the clip.
    begin: returns the clip, with its index and its seed; called when its first
      picture is there, and again where a film turns out to lie.
  """

  number: int
  annotation: Any
  draws: samplers.Draws
  begin: Callable[[], Clip]


def filled(
  film: decode.Video | frames.Frames,
  windows: Sequence[Window],
  spec: clip_spec.ClipSpec,
  info: examples.Info,
) -> Iterator[tuple[int, Clip]]:
  """Yields number and clip of each window, as soon as it is whole.

  Windows between which no keyframe lies are read in one pass, so that no
  picture is decoded twice. Where a film turns out to lie about its seeks, clips
  come again; the last ones hold.

  Args:
    film: opened.
    windows: of the film, in any order.
    spec: how clips are cut.
    info: of a source with such annotations.

  Raises:
    decode.DecodeError: if the film is damaged, or ends before a window.
  """
  waiting = [_Waiting(window, film, spec, info) for window in windows]
  waiting.sort(key=lambda window: window.begin)
  group: list[_Waiting] = []
  reach = 0.0
  for window in waiting:
    if group and film.is_nearer_by_seek(reach, window.begin):
      yield from _together(film, group)
      group = []
    reach = max(reach, window.end) if group else window.end
    group.append(window)
  if group:
    yield from _together(film, group)


class _Waiting:
  """A window whose frames are on their way; it has no memory before the first.

  Attributes:
    number: of the window.
    times: [n] seconds of its frames.
    begin: the earliest of them.
    end: the latest.
  """

  def __init__(self, window: Window, film, spec, info):
    self.number = window.number
    self._window, self._spec = window, spec
    self._shown_at = sampling.frame_times(
      film, window.annotation, spec, info, window.draws
    )
    self.times = self._shown_at.ravel()
    self.begin, self.end = float(self.times.min()), float(self.times.max())
    self.forget()

  def forget(self) -> None:
    """Begins anew."""
    self._clip: Clip = {}
    self._slot, self._missing = None, len(self.times)

  def show(self, places: np.ndarray, shown: picture.Picture) -> Clip | None:
    """Takes a picture; returns the clip once it is whole."""
    if self._slot is None:
      self._begin()
    self._slot.show(places, shown)
    self._missing -= len(places)
    if self._missing:
      return None
    self._slot.finish()
    clip = self._clip
    clip['valid'][...] = True
    self.forget()
    return clip

  def _begin(self) -> None:
    window = self._window
    self._clip = window.begin()
    self._slot = clips.Slot(
      self._clip, window.annotation, self._spec, window.draws
    )
    self._slot.begin(self._shown_at)


@dataclasses.dataclass(frozen=True)
class _Order:
  """The times of some windows, one after the other.

  Attributes:
    times: [n] of all, in no order.
    window: [n], whose each is.
    place: [n], which of the window's times each is.
  """

  times: np.ndarray
  window: np.ndarray
  place: np.ndarray


def _together(
  film: decode.Video | frames.Frames, group: Sequence[_Waiting]
) -> Iterator[tuple[int, Clip]]:
  """Yields the clips of windows that are read in one pass."""
  counts = [len(window.times) for window in group]
  order = _Order(
    np.concatenate([window.times for window in group]),
    np.repeat(np.arange(len(group)), counts),
    np.concatenate([np.arange(count) for count in counts]),
  )
  latest = -np.inf
  for places, shown in film.pictures(order.times):
    now = order.times[places].min()
    if now <= latest:  # What came before is to be forgotten: seeks had lied.
      for window in group:
        window.forget()
    latest = order.times[places].max()
    owners = order.window[places]
    for k in np.unique(owners).tolist():
      clip = group[k].show(order.place[places[owners == k]], shown)
      if clip is not None:
        yield group[k].number, clip
