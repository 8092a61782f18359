"""One readable line in the terminal."""

from __future__ import annotations

import sys
import time


def duration(seconds: float) -> str:
  """Returns '1h02m', '3m20s' or '45s'."""
  seconds = round(seconds)
  if seconds >= 3600:
    return f'{seconds // 3600}h{seconds % 3600 // 60:02d}m'
  if seconds >= 60:
    return f'{seconds // 60}m{seconds % 60:02d}s'
  return f'{seconds}s'


class Progress:
  """Step, losses, speed and ETA; rewrites its line on a terminal."""

  def __init__(self, start: int, total: int, stream=None):
    self._total = total
    self._began = start, time.perf_counter()
    self._shown = False
    self._stream = stream or sys.stderr
    self._open_line = False

  def show(self, step: int, facts: dict[str, str]) -> None:
    """Shows that `step` steps are finished, and facts such as losses."""
    first, began = self._began
    now = time.perf_counter()
    left = (now - began) / max(step - first, 1) * (self._total - step)
    if not self._shown:  # What comes before it is compiling, for the most part.
      self._began, self._shown = (step, now), True
    parts = [f'step {step}/{self._total}', f'{step / self._total:4.0%}']
    parts += [f'{k} {v}' for k, v in facts.items()]
    parts.append(f'ETA {duration(left)}')
    self._write(' | '.join(parts))

  def _write(self, line: str) -> None:
    if self._stream.isatty():
      self._stream.write('\r\x1b[K' + line)
      self._open_line = True
    else:
      self._stream.write(line + '\n')
    self._stream.flush()

  def say(self, text: str) -> None:
    """Prints lines of their own."""
    if self._open_line:
      self._stream.write('\n')
      self._open_line = False
    self._stream.write(text + '\n')
    self._stream.flush()
