"""Records whose videos were made smaller than what the model is to see."""

from __future__ import annotations

from collections.abc import Iterator

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Compares the size of clips with that to which videos were re-encoded."""
  if not subject.recipe:
    return
  side = subject.recipe.source_side
  small = {
    part.info.name: part.info.short_side
    for part in subject.parts.values()
    if part.info.short_side and part.info.short_side < side
  }
  for name, kept in small.items():
    text = (
      f'the records of {name} were prepared with shorter sides of {kept} '
      f'pixels, and clips of {subject.recipe.resolution} are upsampled from '
      f'them. `vidpetl prepare … --short_side={side}` into another --out makes '
      'them from the raw videos; with --config= it takes the size from a config'
    )
    yield findings.of(findings.NOTE, 'upsampled', text, [name])
