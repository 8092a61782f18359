"""Splits of which nothing can be learned, or on which nothing can be measured.

Training refuses them as it starts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Says what a split lacks, and where all of it is the same."""
  for name, why in subject.lacking.items():
    yield findings.of(findings.WRONG, 'useless', f'{name}: {why}', [])
  for name, part in subject.parts.items():
    shown = np.flatnonzero(part.counts) if subject.classes else ()
    if len(shown) == 1:
      text = (
        f'all examples of {name} show one class, '
        f'{subject.class_name(shown[0])}: there is nothing to tell apart'
      )
      yield findings.of(findings.WRONG, 'class_one', text, [])
