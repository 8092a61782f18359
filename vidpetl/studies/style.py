"""How pictures look, and where they go."""

from __future__ import annotations

from etils import epath
from matplotlib import figure
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


def line(number: int) -> dict[str, str]:
  """Returns colour and marker of line `number` of a picture."""
  return {
    'color': COLOURS[number % len(COLOURS)],
    'marker': MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
  }


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
