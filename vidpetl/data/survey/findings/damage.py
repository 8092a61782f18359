"""Files that cannot be read, or not to their end; clips that lie outside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import record as record_lib
from vidpetl.data.survey import subject as subject_lib

# Seconds by which an annotated end may lie behind that of the file.
_BEHIND = 0.5


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at what became of each file."""
  limit = subject.recipe.max_undecodable if subject.recipe else 0.0
  for name, part in subject.parts.items():
    known = list(part.known())
    bad = [(i, r) for i, r in known if not r.readable]
    cut = [(i, r) for i, r in known if r.fault == record_lib.TRUNCATED]
    for code, what, found in (
      ('unreadable', 'cannot be read', bad),
      ('truncated', 'cannot be read to the end of the file', cut),
    ):
      if found:
        share = len(found) / len(known)
        is_wrong = name == subject_lib.VAL or share > limit
        yield findings.of(
          findings.WRONG if is_wrong else findings.NOTE,
          code,
          f'{len(found):,} of {findings.plural(len(known), f"{name} clip")} '
          f'{what} ({findings.percent(share)})',
          [f'{part.paths[i]}: {r.reason}' for i, r in found],
        )
    yield from _outside(name, part, [(i, r) for i, r in known if r.readable])


def _outside(name, part, known) -> Iterator[findings.Finding]:
  """Clips that begin, or end, behind the end of their files."""
  begins = [(i, r) for i, r in known if part.moment(i) >= r.duration]
  if begins:
    found = [
      f'{part.ids[i]}: at {part.moment(i):.2f} s, of {r.duration:.2f} s'
      for i, r in begins
    ]
    text = (
      f'{findings.plural(len(found), "clip begins", "clips begin")} in {name} '
      'where the file has ended: nothing of them can be shown'
    )
    yield findings.of(findings.WRONG, 'outside', text, found)
  late = [
    f'{part.ids[i]}: until {part.ends[i]:.2f} s, of {r.duration:.2f} s'
    for i, r in known
    if np.isnan(part.moments[i])  # Only spans have an end.
    and part.begins[i] < r.duration < part.ends[i] - _BEHIND < np.inf
  ]
  if late:
    text = (
      f'{findings.plural(len(late), "clip ends", "clips end")} in {name} later '
      'than the file'
    )
    yield findings.of(findings.NOTE, 'ends_late', text, late)
