"""Classes that tell left from right, in clips that are mirrored."""

from __future__ import annotations

from collections.abc import Iterator

from vidpetl.data import mirroring
from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at the names of the classes."""
  if not subject.recipe or not subject.recipe.flip:
    return
  found = mirroring.tells_sides(subject.classes.values())
  if found:
    text = (
      f'{findings.plural(len(found), "class tells", "classes tell")} left from '
      f'right, and every other training clip is mirrored: '
      f'{findings.listed(found)}. --config.tasks.{subject.name}.augment.flip='
      'False mirrors none'
    )
    yield findings.of(findings.WRONG, 'sides', text, found)
