"""Which keyframes of AVA-Kinetics are of AVA's films, which of Kinetics clips.

AVA's films are annotated at whole seconds from 902 to 1798, Kinetics clips at
one moment each, to the microsecond, on the clock of the whole video. No other
field of the annotation files tells them apart.
"""

from __future__ import annotations

from vidpetl.metrics import columns

PARTS = ('ava', 'kinetics')
_FIRST, _LAST = 902, 1798


def part(timestamp: str) -> str:
  """Returns which of `PARTS` a keyframe belongs to.

  Args:
    timestamp: as the annotation file writes it: '0902' or '12.345'.
  """
  seconds = columns.seconds_of(timestamp)
  of_film = seconds == int(seconds) and _FIRST <= seconds <= _LAST
  return 'ava' if of_film else 'kinetics'
