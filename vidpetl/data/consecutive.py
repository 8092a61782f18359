"""All frames of a film, one after the other, each with its time.

What is written anew from a film is written from these: `transcode` cuts films,
and answers are drawn into them.
"""

from __future__ import annotations

import fractions
from collections.abc import Iterator

import av
from etils import epath

from vidpetl.data import damage, decode
from vidpetl.data import frames as frames_lib

# Exact for 24, 25, 30, 30/1.001 and 50 fps; for containers that count frames.
_CLOCK = fractions.Fraction(1, 90000)
_COARSEST = fractions.Fraction(1, 500)  # a tick that does not count frames


class Folder(frames_lib.Frames):
  """A folder of frames, which has no clock of its own."""

  grid = _CLOCK
  aspect = None


class Film(decode.Video):
  """A video whose frames come one after the other."""

  @property
  def grid(self) -> fractions.Fraction:
    """Seconds per tick of what is written from it.

    The file's own tick: readers tolerate timestamps that are rounded to ticks,
    so a finer clock would show other frames than the file does.
    """
    tick = self.stream.time_base
    return tick if tick.numerator == 1 and tick <= _COARSEST else _CLOCK

  def between(
    self, start: float, end: float
  ) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yields (time, frame) from the frame shown at `start` to before `end`.

    Raises:
      decode.DecodeError: if the film is damaged, or its frames end before the
        container says.
      faults.LyingError: if its timestamps are found to lie; `distrust` then
        makes that they come right.
    """
    with decode.blaming(self.name):
      yield from self._between(start, end)

  def _between(
    self, start: float, end: float
  ) -> Iterator[tuple[float, av.VideoFrame]]:
    shown, last, time = None, None, 0.0
    for last in self.frames_from(start):
      time = self.time_of(last)
      if time >= end:
        break
      if damage.is_damaged(last):
        self.note_damage(last)
      if time <= start + self.tolerance:
        shown = time, last
        continue
      if shown is not None:
        yield shown
        shown = None
      yield time, last
    else:
      if last is not None:
        self.check_end(time, last, end)
    if shown is not None:
      yield shown


Frames = Film | Folder


def opened(
  path: str, fps: float | None = None, forgiving: bool = False
) -> Frames:
  """Opens a film, or a folder of its frames.

  Args:
    path: of the film or folder.
    fps: of a folder of frames, 25 by default; a film knows its own.
    forgiving: whether damaged frames come as they are.

  Raises:
    decode.DecodeError: if it cannot be opened.
  """
  folder = epath.Path(path).is_dir()
  if folder:
    return Folder(path, fps=fps, forgiving=forgiving)
  return Film(path, forgiving=forgiving)


def hold(packets: list[av.Packet], until: int) -> None:
  """Lets the last picture of encoded ones be shown to a tick."""
  last = max(packets, key=lambda packet: packet.pts)
  last.duration = max(1, until - last.pts)
