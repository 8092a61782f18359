"""What sources say of themselves, and clips that are in none of the splits."""

from __future__ import annotations

from collections.abc import Iterator

from vidpetl.data.sources import oversights
from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Passes on what was said when the data were opened."""
  notes = [note for part in subject.parts.values() for note in part.info.notes]
  for note in dict.fromkeys(notes):
    # Classes and leaks are findings of their own.
    if note.startswith((oversights.IN_BOTH, oversights.WITHOUT)):
      continue
    yield findings.of(findings.NOTE, 'said', note.rstrip('.'), [])
  for name, part in subject.parts.items():
    if part.info.dropped:
      found = [f'{one.id}: {one.reason}' for one in part.info.dropped]
      text = (
        f'{findings.plural(len(found), "entry", "entries")} of {name} '
        f'{"is" if len(found) == 1 else "are"} left out'
      )
      reasons = {one.reason for one in part.info.dropped}
      if len(reasons) == 1:
        text += f': {reasons.pop()}'
        found = [one.id for one in part.info.dropped]
      yield findings.of(findings.NOTE, 'left_out', text, found)
  if subject.unlisted:
    rows = findings.plural(len(subject.unlisted), 'row is', 'rows are')
    text = f'{rows} in neither train nor val'
    yield findings.of(findings.NOTE, 'no_split', text, subject.unlisted)
