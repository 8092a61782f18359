"""How far a run is: tqdm's bar on a terminal, a line per log elsewhere."""

from __future__ import annotations

import io
import sys
from typing import TextIO

import tqdm

_FORMAT = (
  'step {n_fmt}/{total_fmt} |{bar:12}| {percentage:3.0f}% | {desc} | '
  'ETA {remaining}'
)
_LINE = _FORMAT.replace(' |{bar:12}|', ' |')


def duration(seconds: float) -> str:
  """Returns '1:02:05' or '03:20'."""
  return tqdm.tqdm.format_interval(seconds)


class Progress:
  """Step, losses, speed and ETA."""

  def __init__(self, total: int, stream: TextIO | None = None):
    """Starts.

    Args:
      total: steps of the run.
      stream: that is written to; standard error if left out.
    """
    self._total = total
    self._stream = stream or sys.stderr
    self._bar: tqdm.tqdm | None = None

  def show(self, step: int, facts: dict[str, str]) -> None:
    """Shows that `step` steps are finished, and facts such as losses."""
    terminal = self._stream.isatty()
    if self._bar is None:
      # Its clock starts with the first log: what comes before it is compiling,
      # for the most part.
      self._bar = tqdm.tqdm(
        total=self._total,
        initial=step,
        file=self._stream if terminal else io.StringIO(),
        bar_format=_FORMAT if terminal else _LINE,
        dynamic_ncols=terminal,
      )
    self._bar.n = step
    text = ' | '.join(f'{name} {value}' for name, value in facts.items())
    self._bar.set_description_str(text)
    if not terminal:
      self.say(str(self._bar))

  def say(self, text: str) -> None:
    """Prints lines of their own, above the bar if there is one."""
    tqdm.tqdm.write(text, file=self._stream)
    self._stream.flush()

  def close(self) -> None:
    """Leaves the bar as it is, and goes below it."""
    if self._bar is not None:
      self._bar.close()
      self._bar = None
