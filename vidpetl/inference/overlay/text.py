"""Text on frames: how large it is, how it is shortened, where it lies."""

from __future__ import annotations

import dataclasses
import functools
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from vidpetl import lettering
from vidpetl.inference.overlay import palette

ELLIPSIS = '…'


@dataclasses.dataclass(frozen=True)
class Scale:
  """Sizes of what is drawn on frames of a size, in pixels.

  Attributes:
    height: of a frame.
    width: of a frame.
  """

  height: int
  width: int

  @property
  def letter(self) -> int:
    """Em of the letters: 9 on 96 lines, 12 on 240, 30 on 1080, 53 on 2160.

    Small films are shown enlarged, and hold few letters, so that these are
    larger in relation there. The shorter side counts, upright or not.
    """
    return max(6, round(7 + 0.0215 * min(self.height, self.width)))

  @property
  def line(self) -> int:
    """Height of a line of text."""
    return round(1.25 * self.letter)

  @property
  def pad(self) -> int:
    """Distance from a plate's edge to what is on it."""
    return max(2, round(0.4 * self.letter))

  @property
  def margin(self) -> int:
    """Distance from the frame's edge to what is drawn on it."""
    return max(2, round(0.6 * self.letter))

  @property
  def stroke(self) -> int:
    """Width of a line."""
    return max(1, round(self.letter / 7))


@functools.lru_cache(maxsize=4096)
def shortened(
  text: str, size: int, width: float, bold: bool = False
) -> tuple[str, ImageFont.ImageFont]:
  """Returns a text that is no wider than `width`, and its font.

  Args:
    text: of one line.
    size: em of the letters, pixels.
    width: pixels.
    bold: whether in heavy letters.

  Returns:
    The text, cut and with an ellipsis if it is too long; '' where not even
    that has room.
  """
  text = ' '.join(unicodedata.normalize('NFC', text).split())
  font = lettering.font(size, text, bold)
  if font.getlength(text) <= width:
    return text, font
  low, high = -1, len(text)  # of kept letters: fits, does not
  while high - low > 1:
    middle = (low + high) // 2
    if font.getlength(_cut(text, middle)) <= width:
      low = middle
    else:
      high = middle
  return ('' if low < 1 else _cut(text, low)), font


def _cut(text: str, count: int) -> str:
  # No mark without the letter that it belongs to.
  while count and unicodedata.combining(text[count]):
    count -= 1
  return text[:count].rstrip() + ELLIPSIS


def percent(score: float) -> str:
  """Returns a share as a text, such as '93%'."""
  return f'{100 * score:.0f}%'


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of text with something at its right end.

  Attributes:
    left: is shortened where it is too long.
    right: is not.
    colour: of both.
    bold: whether in heavy letters.
  """

  left: str
  right: str = ''
  colour: palette.Colour = palette.WHITE
  bold: bool = False

  def width(self, size: int) -> int:
    """Returns its pixels in letters of a size."""
    right = self._right(size)
    text, font = shortened(self.left, size, float('inf'), self.bold)
    return round(font.getlength(text) + (right and size / 2 + right) + 0.5)

  def _right(self, size: int) -> float:
    return lettering.font(size, self.right, self.bold).getlength(self.right)

  def draw(
    self, image: Image.Image, x: float, y: float, width: float, size: int
  ) -> None:
    """Draws it.

    Args:
      image: of mode RGBA.
      x: left edge.
      y: upper edge of a line of 1.25 em.
      width: up to where `right` ends.
      size: em of the letters.
    """
    base = y + round(0.95 * size)
    room = width
    if self.right:
      font = lettering.font(size, self.right, self.bold)
      where = (x + width, base)
      draw = ImageDraw.Draw(image)
      draw.text(where, self.right, self.colour, font, anchor='rs')
      room -= self._right(size) + size / 2
    text, font = shortened(self.left, size, room, self.bold)
    ImageDraw.Draw(image).text((x, base), text, self.colour, font, anchor='ls')
