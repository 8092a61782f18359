"""How much a request may ask for, and what refuses one that asks for more."""

from __future__ import annotations

import dataclasses
import fractions

# Pixels a second of a film that a server decodes: those of 1080p at 60 Hz.
_RATE = 60 * 1920 * 1080
# Frames a second, where frames are small.
_FRAMES = 240


class Refusal(Exception):
  """A request that is not answered.

  Attributes:
    status: of HTTP.
    reason: what is wrong and what to do, in a sentence.
    retry_after: seconds after which it may be answered; None for never.
  """

  def __init__(self, status: int, reason: str, retry_after: int | None = None):
    super().__init__(status, reason)
    self.status, self.reason, self.retry_after = status, reason, retry_after


@dataclasses.dataclass(frozen=True)
class Limits:
  """Bounds of a server.

  Attributes:
    megabytes: of an upload, 10^6 bytes each.
    seconds: of a film.
    pixels: of a frame.
    timeout: seconds from a request's first byte to its answer.
    waiting: requests that wait while others are computed.
    short: seconds of films that never wait for longer ones; see `effort`.
    keep: seconds for which a film with its answer drawn in can be fetched.
    kept: how many such films there are at a time.
  """

  megabytes: float = 200.0
  seconds: float = 600.0
  pixels: int = 4096 * 4096
  timeout: float = 300.0
  waiting: int = 16
  short: float = 30.0
  keep: float = 600.0
  kept: int = 32

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if not value > 0:
        raise ValueError(f'{field.name} is {value}; it is more than 0.')

  @property
  def bytes(self) -> int:
    """Bytes of an upload."""
    return int(self.megabytes * 1e6)

  @property
  def frames(self) -> int:
    """Frames of a film."""
    return int(self.seconds * _FRAMES)

  @staticmethod
  def effort(seconds: float, pixels: int) -> float:
    """Returns how many seconds of 1080p at 60 Hz a film is, its own at least.

    Args:
      seconds: of the film.
      pixels: of all its frames.
    """
    return max(seconds, pixels / _RATE)

  def check_length(self, seconds: float | fractions.Fraction) -> None:
    """Refuses a film that is too long, or of no length at all."""
    if not 0 <= seconds <= self.seconds:
      raise Refusal(
        422,
        f'The film is {float(seconds):.0f} s long, and this server answers '
        f'films of up to {self.seconds:g} s: cut it, or use `vidpetl predict`, '
        'which takes any length.',
      )

  def check_size(self, height: int, width: int, frames: int = 1) -> None:
    """Refuses frames that are too large, or too many for their size."""
    if height * width > self.pixels:
      raise Refusal(
        422,
        f'Frames are {width}x{height}, and this server decodes up to '
        f'{self.pixels} pixels: send the film smaller.',
      )
    most = min(self.frames, int(self.seconds * _RATE / max(1, height * width)))
    if frames > most:
      raise Refusal(
        422,
        f'The film has more than {most} frames, the most that this server '
        f'decodes of {width}x{height}: send it shorter or smaller.',
      )
