"""Labels that a mirrored clip no longer has: those that tell left from right.

`turn_left`, mirrored, shows what `turn_right` is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# A word that tells a side by itself, and what it is in a mirror.
_SIDES = {
  'left': 'right',
  'lefthand': 'righthand',
  'lefthanded': 'righthanded',
  'leftward': 'rightward',
  'leftwards': 'rightwards',
  'clockwise': 'counterclockwise',
  'anticlockwise': 'clockwise',
}
# Words that may mean something else: only where both names are there.
_PAIRS = {
  'l': 'r',
  'links': 'rechts',
  'linke': 'rechte',
  'linker': 'rechter',
  'linkes': 'rechtes',
  'gauche': 'droite',
  'izquierda': 'derecha',
  'sinistra': 'destra',
  'esquerda': 'direita',
}
_BOTH_WAYS = {**_SIDES, **{b: a for a, b in _SIDES.items()}}
_PAIRED = {**_PAIRS, **{b: a for a, b in _PAIRS.items()}}
# 'turn_left', 'turn left', 'turnLeft', 'LEFT2'.
_WORD = re.compile(r'[A-ZÀ-Þ]?[a-zß-ÿ]+|[A-ZÀ-Þ]+(?![a-zß-ÿ])')


def tells_sides(names: Iterable[str]) -> list[str]:
  """Returns the names of classes that tell left from right, in their order.

  A name does if one of its words is a side ('left', 'clockwise', …), or if
  another name is the same but for the other side ('kick_l' and 'kick_r').

  Args:
    names: of classes.
  """
  words = {name: _words(name) for name in names}
  there = set(words.values())
  return [
    name
    for name, own in words.items()
    if not _BOTH_WAYS.keys().isdisjoint(own) or _mirrored(own) & there
  ]


def _words(name: str) -> tuple[str, ...]:
  return tuple(word.lower() for word in _WORD.findall(name))


def _mirrored(words: tuple[str, ...]) -> set[tuple[str, ...]]:
  """Returns the names that differ in one word, its other side."""
  return {
    (*words[:i], _PAIRED[word], *words[i + 1 :])
    for i, word in enumerate(words)
    if word in _PAIRED
  }
