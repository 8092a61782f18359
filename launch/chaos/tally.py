"""What came out: how often each thing was tried, and what failed."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
from typing import Any

from etils import epath

from vidpetl import tables

# 'refused' and 'same' are as it should be; 'other' are values that have no
# checksum, so that nobody can know what was meant.
FAILED = {
  'silent': 'other values, although there is a checksum',
  'unnamed': 'refused without the name of the file',
  'traceback': 'an error of the program',
  'hang': 'no end',
  'memory': 'more memory than is sensible',
  'crash': 'the process died',
  'differs': 'not what an unbroken run leaves',
}


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What one attempt came to.

  Attributes:
    kind: 'refused', 'same', 'other', or of `FAILED`.
    text: the error, or what differs.
  """

  kind: str
  text: str = ''

  @property
  def signature(self) -> tuple[str, str]:
    """What failures of one cause have in common."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+", '…', self.text)
    return self.kind, re.sub(r'[^\W\d_]*\d\S*', '#', text)[:60]


class Tally:
  """Counts outcomes by part, and keeps a reproduction of each failure."""

  def __init__(self, out: epath.Path):
    """Begins to count.

    Args:
      out: failures go to a folder each below out/failures.
    """
    self.folder = out / 'failures'
    self._counts: dict[str, collections.Counter] = {}
    self._failures: dict[tuple, dict[str, Any]] = {}

  def add(self, part: str, outcome: Outcome, **case: Any) -> bool:
    """Counts an outcome.

    Args:
      part: what was tried, a row of the table.
      outcome: of it.
      case: what repeats it.

    Returns:
      Whether it is a failure that was not seen before.
    """
    self._counts.setdefault(part, collections.Counter())[outcome.kind] += 1
    if outcome.kind not in FAILED:
      return False
    known = self._failures.get((part, *outcome.signature))
    if known:
      known['times'] += 1
      return False
    self.keep(part, outcome, times=1, **case)
    return True

  def keep(self, part: str, outcome: Outcome, **case: Any) -> None:
    """Sets how a failure is repeated, in place of an earlier way."""
    key = (part, *outcome.signature)
    times = self._failures.get(key, {'times': 0})['times']
    self._failures[key] = {
      'part': part,
      'outcome': outcome.kind,
      'text': outcome.text,
      'times': times,
      **case,
    }

  @property
  def failed(self) -> int:
    """How much failed."""
    return sum(map(self._failed, self._counts))

  def _failed(self, part: str) -> int:
    return sum(self._counts[part][kind] for kind in FAILED)

  def say(self, part: str) -> None:
    """Prints how a part went, for whoever waits for the others."""
    tried = sum(self._counts[part].values())
    print(f'{part}: {tried} tried, {self._failed(part)} failed', flush=True)

  def write(self) -> str:
    """Writes failures.json; returns the table and the list of failures."""
    rows = []
    for part, counts in self._counts.items():
      numbers = [sum(counts.values()), counts['refused'], counts['same']]
      numbers += [counts['other'], self._failed(part)]
      rows.append([part, *map(str, numbers)])
    totals = [sum(int(row[i]) for row in rows) for i in range(1, 6)]
    rows.append(['all', *map(str, totals)])
    header = ['', 'tried', 'refused', 'same', 'other, unchecked', 'failed']
    lines = [tables.markdown(header, rows)]
    found = sorted(self._failures.values(), key=lambda each: -each['times'])
    for each in found:
      what = FAILED[each['outcome']]
      lines.append(
        f'{each["part"]}: {each["times"]} x {what}: {each["text"][:300]}'
      )
    if found:
      self.folder.mkdir(parents=True, exist_ok=True)
      path = self.folder / 'failures.json'
      path.write_text(json.dumps(found, indent=1, default=str) + '\n')
      lines.append(f'How to repeat them: {path}')
    return '\n\n'.join(lines)
