"""Classes that a mirrored clip would change: they tell left from right."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SIDES = frozenset(
  {'left', 'right', 'leftward', 'rightward', 'leftwards', 'rightwards'}
  | {'lefthand', 'righthand', 'lefthanded', 'righthanded'}
  | {'clockwise', 'counterclockwise', 'anticlockwise'}
)
# Words that mean a side only where the other one is there.
_PAIRS = (('l', 'r'), ('links', 'rechts'), ('gauche', 'droite'), ('cw', 'ccw'))
_OTHER = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
# Words of 'turn_left', 'TurnLeft', 'turn left' and 'left2right'.
_WORD = re.compile(r'[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])')


def tells_sides(names: Iterable[str]) -> list[str]:
  """Returns the names of classes that tell left from right, in their order.

  They have a word for a side or a turn; or a letter that may mean a side while
  the class of the other letter is there: 'turn_l' and 'turn_r'.

  Args:
    names: of all classes.
  """
  names = list(names)
  words = {name: tuple(map(str.lower, _WORD.findall(name))) for name in names}
  there = set(words.values())
  return [name for name in names if _is_sided(words[name], there)]


def _is_sided(words: tuple[str, ...], there: set[tuple[str, ...]]) -> bool:
  if not _SIDES.isdisjoint(words):
    return True
  return any(
    word in _OTHER and (*words[:i], _OTHER[word], *words[i + 1 :]) in there
    for i, word in enumerate(words)
  )
