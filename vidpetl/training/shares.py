"""What a run's loop spends its time on, and when its devices wait for it.

A step is dispatched long before it is done. So what the loop does between two
dispatches costs nothing as long as the devices are busy, and at most its own
time where it finds them idle at its end.
"""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Counts a context as a part; see `Shares.of`.
Counting = Callable[[str], contextlib.AbstractContextManager[None]]
FILE = 'time.json'
# What a loop does. An evaluation has 'device', 'input' and 'metric' of its own.
INPUT, DEVICE, LOGGING, METRIC = 'input', 'device', 'logging', 'metric'
CHECKPOINTS, EVALUATION, OTHER = 'checkpoints', 'evaluation', 'other'
# Who waits for the devices, or has them evaluate, does not find them idle.
_BUSY = (DEVICE, EVALUATION)
# Of the file, and of a record.
LOOPS = 'training', 'evaluations'
FIELDS = 'seconds', 'spent', 'idle'


class Shares:
  """Seconds of one thread, by what it does.

  Attributes:
    idle: whether the devices have finished what they were given.
  """

  def __init__(self, idle: Callable[[], bool]):
    """Takes what tells whether the devices have done what they were given."""
    self.idle, self._part = idle, ''
    self.restart()

  def restart(self) -> None:
    """Forgets what was counted, and goes on with the part that it is in."""
    self._spent: dict[str, float] = collections.defaultdict(float)
    self._waited: dict[str, float] = collections.defaultdict(float)
    self._since = time.perf_counter()

  @contextlib.contextmanager
  def of(self, part: str) -> Iterator[None]:
    """Counts a context as a part, and not as the part that it is within."""
    before = self._part
    self._switch(part)
    try:
      yield
    finally:
      self._switch(before)

  def _switch(self, part: str) -> None:
    now = time.perf_counter()
    if self._part:
      idle = self._part not in _BUSY and self.idle()
      self._spent[self._part] += now - self._since
      self._waited[self._part] += now - self._since if idle else 0.0
    self._part, self._since = part, now

  def record(self) -> dict[str, Any]:
    """Returns seconds by part, in all and, at most, with idle devices."""
    rounded = lambda parts: {k: round(v, 4) for k, v in parts.items()}
    seconds = round(sum(self._spent.values()), 4)
    found = seconds, rounded(self._spent), rounded(self._waited)
    return dict(zip(FIELDS, found, strict=True))


def line(name: str, record: Mapping[str, Any]) -> str:
  """Returns parts of a record in percent, the largest first.

  Args:
    name: of the whole.
    record: of `Shares.record`.
  """
  whole = max(record['seconds'], 1e-9)
  spent = sorted(record['spent'].items(), key=lambda part: -part[1])
  percent = lambda seconds: f'{100 * seconds / whole:.1f} %'
  parts = [f'{part} {percent(seconds)}' for part, seconds in spent]
  for i, (part, _) in enumerate(spent):
    if (idle := percent(record['idle'][part])) != percent(0.0):
      parts[i] += f' (devices idle {idle})'
  return f'{name}, {whole:.1f} s: ' + ', '.join(parts)
