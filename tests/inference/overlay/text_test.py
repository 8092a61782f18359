"""Text fits, in any script, at any size of film."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from vidpetl import lettering, mistakes
from vidpetl.inference.overlay import plate, text

# What lists the fonts of a machine.
FONTS = 'matplotlib.font_manager.findSystemFonts'


@pytest.mark.parametrize(
  'size, letter',
  [((96, 96), 9), ((240, 320), 12), ((1080, 1920), 30), ((2160, 3840), 53)],
)
def test_letters_grow_with_the_film_and_are_never_too_small(size, letter):
  assert text.Scale(*size).letter == letter
  assert text.Scale(*size[::-1]).letter == letter
  assert text.Scale(16, 16).letter >= 6


@pytest.mark.parametrize('width', [0, 12, 40, 90, 200, 1000])
def test_a_text_is_cut_to_its_room_with_an_ellipsis(width):
  name = 'riding a bicycle'
  shown, font = text.shortened(name, 20, width)
  assert font.getlength(shown) <= width
  assert shown == name or not shown or shown.endswith(text.ELLIPSIS)
  if shown not in (name, ''):
    kept = len(shown) - 1
    longer = name[: kept + 2].rstrip() + text.ELLIPSIS
    assert font.getlength(longer) > width


def test_no_accent_is_left_of_a_letter_that_was_cut():
  # A letter and a mark for which there is no one letter.
  name = 'x̂' * 9
  widths = range(20, 130, 7)
  for shown in (text.shortened(name, 20, width)[0] for width in widths):
    if shown.endswith(text.ELLIPSIS):
      assert len(shown) % 2 == 1
  decomposed = unicodedata.normalize('NFD', 'é')
  assert text.shortened(decomposed, 20, 100)[0] == 'é'


@pytest.mark.parametrize('name', ['épluchage', 'бег', 'Τρέξιμο', 'Łódź', '→'])
def test_no_system_font_is_needed_for_what_dejavu_has(name, monkeypatch):
  none = lambda: pytest.fail('a system font was looked for')
  monkeypatch.setattr(FONTS, none)
  assert 'matplotlib' in lettering.font(12, name).path


def test_letters_that_no_font_has_are_told_once(monkeypatch):
  monkeypatch.setattr(FONTS, lambda: [])
  lettering._file.cache_clear()
  with pytest.warns(mistakes.Note, match='has the letters 走:'):
    lettering.font(12, '走 walk')
  lettering._file.cache_clear()


def test_a_font_of_the_machine_that_has_all_letters_is_taken(monkeypatch):
  held = {'latin': {ord('w')}, 'chinese': {ord('w'), ord('走')}}
  monkeypatch.setattr(FONTS, lambda: held)
  monkeypatch.setattr(lettering, '_held', lambda path: held.get(path, set()))
  assert lettering._file.__wrapped__(frozenset('走w'), False) == 'chinese'


def test_a_file_that_is_no_font_has_no_letters(tmp_path):
  odd = tmp_path / 'odd.ttf'
  odd.write_bytes(b'nothing')
  assert lettering._held(str(odd)) == frozenset()


def test_a_line_fits_in_the_width_that_it_states():
  line = text.Line('jump', '93%')
  width = line.width(20)
  shown, whole = (Image.new('RGBA', (w, 25)) for w in (width, width + 40))
  line.draw(shown, 0, 0, width, 20)
  line.draw(whole, 0, 0, width + 40, 20)
  # Nothing is cut: there is as much ink as with more room.
  ink = lambda image: int(np.asarray(image)[..., 3].astype(int).sum())
  assert ink(shown) == pytest.approx(ink(whole), rel=0.02)


def test_a_plate_is_blended_and_cut_at_the_edges_of_a_frame():
  image = Image.new('RGBA', (8, 6), (255, 0, 0, 128))
  image.paste((0, 255, 0, 255), (4, 0, 8, 6))
  label = plate.Plate(image)
  frame = np.full((10, 12, 3), 100, np.uint8)
  label.onto(frame, 2, 3)
  assert frame[4, 3] == pytest.approx([178, 50, 50], abs=2)
  assert frame[4, 8].tolist() == [0, 255, 0]
  assert (frame[:3] == 100).all() and (frame[:, :2] == 100).all()
  for x, y in [(-4, -3), (9, 7), (-50, 0), (0, 50), (12, 10)]:
    frame = np.full((10, 12, 3), 100, np.uint8)
    label.onto(frame, x, y)
    rows, columns = np.nonzero((frame != 100).any(-1))
    assert set(rows) <= set(range(y, y + 6))
    assert set(columns) <= set(range(x, x + 8))
    inside = max(0, min(x + 8, 12) - max(x, 0))
    inside *= max(0, min(y + 6, 10) - max(y, 0))
    assert len(rows) == inside
