"""Fonts that every installation has, and those that a script needs.

DejaVu Sans comes with matplotlib. It has Latin, Greek, Cyrillic and much more,
but no Chinese, Japanese or Korean: such a text is drawn in the first font of
the machine that has all of its letters.
"""

from __future__ import annotations

import functools

from etils import epath, epy
from PIL import ImageFont

from vidpetl import mistakes

with epy.lazy_imports():
  import matplotlib
  from matplotlib import font_manager, ft2font


def font(size: int, text: str = '', bold: bool = False) -> ImageFont.ImageFont:
  """Returns a font.

  Args:
    size: pixels of its em.
    text: that is to be drawn in it.
    bold: whether in heavy letters, where the text allows it.
  """
  letters = frozenset(letter for letter in text if letter.isprintable())
  return _opened(_file(letters - {' '}, bold), size)


@functools.lru_cache(maxsize=256)
def _opened(path: str, size: int) -> ImageFont.FreeTypeFont:
  return ImageFont.truetype(path, size)


@functools.lru_cache(maxsize=4096)
def _file(letters: frozenset[str], bold: bool) -> str:
  """Returns the file of a font that has all letters, if there is one."""
  name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
  usual = str(epath.Path(matplotlib.get_data_path(), 'fonts', 'ttf', name))
  wanted = {ord(letter) for letter in letters}
  if wanted <= _held(usual):
    return usual
  for path in sorted(font_manager.findSystemFonts()):
    if wanted <= _held(path):
      return path
  odd = ''.join(sorted(chr(n) for n in wanted - _held(usual)))
  mistakes.note(
    f'No font on this machine has the letters {odd}: they are drawn as empty '
    'boxes; install one that has, e.g. the package fonts-noto-cjk.'
  )
  return usual


@functools.lru_cache(maxsize=4096)
def _held(path: str) -> frozenset[int]:
  """Returns the numbers of the letters that a font has, in any size."""
  try:
    found = ft2font.FT2Font(path)
  except (RuntimeError, OSError):
    return frozenset()
  return frozenset(found.get_charmap()) if found.scalable else frozenset()
