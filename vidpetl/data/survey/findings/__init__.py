"""What may be odd about data; one module each.

A module ends in `find`, which yields what it finds about a subject. It says
nothing where the subject has no such annotations, recipe, or files that were
read. The folder is the list.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable

from vidpetl import parts
from vidpetl.data.names import shown
from vidpetl.data.survey import subject as subject_lib

# Something would make results wrong; a user should know; a fact.
WRONG, NOTE, INFO = LEVELS = ('wrong', 'note', 'info')

# Examples of a finding; all of them are counted.
_MOST = 20


@dataclasses.dataclass(frozen=True)
class Finding:
  """Something odd.

  Attributes:
    level: one of `LEVELS`.
    code: what it is, for programs: 'leak'.
    text: a sentence.
    count: of clips, classes, … that it is about.
    examples: some of them.
    task: whose data they are.
  """

  level: str
  code: str
  text: str
  count: int = 0
  examples: tuple[str, ...] = ()
  task: str = ''


def of(level: str, code: str, text: str, found: Iterable[str]) -> Finding:
  """Returns a finding about all that was found."""
  found = list(found)
  some = tuple(shown(example) for example in found[:_MOST])
  return Finding(level, code, text, len(found), some)


def find_all(subject: subject_lib.Subject) -> list[Finding]:
  """Returns all findings about a task's data, the worst first."""
  package = sys.modules[__name__]
  found = [
    dataclasses.replace(finding, task=subject.name)
    for name in parts.names(package, 'find')
    for finding in parts.load(package, name, 'find', 'finding').find(subject)
  ]
  return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def listed(names: Iterable[str], most: int = 5) -> str:
  """Returns 'a, b, c and 12 more'."""
  names = [shown(name) for name in names]
  more = f' and {len(names) - most} more' if len(names) > most else ''
  return ', '.join(names[:most]) + more


def equal(names: Iterable[str], most: int = 4) -> str:
  """Returns 'a = b = c = d = … 12 in all'."""
  names = [shown(name) for name in names]
  more = [f'… {len(names)} in all'] if len(names) > most else []
  return ' = '.join(names[:most] + more)


def plural(count: int, thing: str, things: str = '') -> str:
  """Returns '1 clip' or '12 clips'."""
  return f'{count:,} {thing if count == 1 else things or thing + "s"}'


def percent(share: float) -> str:
  """Returns '62 %', or '0.3 %' of a small share."""
  return f'{100 * share:.0f} %' if share >= 0.095 else f'{100 * share:.1f} %'
