"""How pictures look, and where they go."""

from __future__ import annotations

from typing import Any

from etils import epath
from matplotlib import figure
from matplotlib import legend as legend_lib
from PIL import Image

from vidpetl import durable

# Okabe and Ito's colours, which colour-blind people tell apart, too; the yellow
# is left out, as it cannot be seen on white.
COLOURS = (
  *('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'),
  '#000000',
)
MARKERS = 'os^DvPX'
GREY = '0.45'
_DPI = 150  # Text of 8 points is read at full size.

# Inches of a legend that a picture of its usual width has room for.
_NARROW = 2.0


def line(number: int) -> dict[str, str]:
  """Returns colour and marker of line `number` of a picture."""
  return {
    'color': COLOURS[number % len(COLOURS)],
    'marker': MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
  }


def legend(picture: figure.Figure, **options: Any) -> legend_lib.Legend:
  """Returns a legend right of the axes, which keep their size beside it."""
  shown = picture.legend(
    loc='outside right upper', fontsize=8, frameon=False, **options
  )
  inches = shown.get_window_extent().width / picture.dpi
  picture.set_figwidth(picture.get_figwidth() + max(0.0, inches - _NARROW))
  return shown


def save(
  picture: figure.Figure | Image.Image, folder: epath.Path, stem: str
) -> list[epath.Path]:
  """Writes a picture as <stem>.png and, unless it is of frames, <stem>.svg.

  Returns:
    What was written.
  """
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f'{stem}.png'
  if isinstance(picture, Image.Image):
    with durable.opened(path) as file:
      picture.save(file, 'PNG')
    return [path]
  vector = folder / f'{stem}.svg'
  with durable.opened(path) as file:
    picture.savefig(file, dpi=_DPI, format='png')
  with durable.opened(vector) as file:
    picture.savefig(file, format='svg')
  return [path, vector]
