"""Colours that are told apart on dark plates, also by colour-blind people."""

from __future__ import annotations

Colour = tuple[int, int, int]

# Okabe and Ito's, the ones that are bright on black first.
COLOURS: tuple[Colour, ...] = (
  (86, 180, 233),
  (230, 159, 0),
  (0, 158, 115),
  (240, 228, 66),
  (213, 94, 0),
  (204, 121, 167),
  (0, 114, 178),
)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
# Of what has no colour of its own.
GREY: Colour = (165, 165, 165)
# Of what has a value of nothing, on a plate.
DIM: Colour = (92, 92, 92)
# Share by which a plate hides what is behind it: white letters on it can be
# read before a white wall, and what happens there can still be seen.
VEIL = 0.68


def of(number: int) -> Colour:
  """Returns colour `number`; they come again where there are more."""
  return COLOURS[number % len(COLOURS)]
