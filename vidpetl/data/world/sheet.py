"""A contact sheet: every action as a strip of frames, for people to look at."""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image, ImageDraw

from vidpetl.data.world import behaviours, closeup, scene

_FRAMES = 12
_STEP = 0.18
_NAME = 120


def draw(path: pathlib.Path, seed: int = 0) -> None:
  """Writes the sheet as an image, one row per action.

  Args:
    path: of the image; the suffix chooses its format.
    seed: of looks, styles and scenes.
  """
  size = (128, 96)
  rows = [(name, _people(name, seed, size)) for name in behaviours.BEHAVIOURS]
  rows += [(name, _hands(name, seed, size)) for name in closeup.ACTIONS]
  width, height = size
  sheet = Image.new(
    'RGB', (_NAME + _FRAMES * width, len(rows) * height), 'white'
  )
  pen = ImageDraw.Draw(sheet)
  for row, (name, frames) in enumerate(rows):
    pen.text((4, row * height + 40), name.replace('_', ' '), fill='black')
    for column, frame in enumerate(frames):
      sheet.paste(frame, (_NAME + column * width, row * height))
  path.parent.mkdir(parents=True, exist_ok=True)
  sheet.save(path)


def _people(name: str, seed: int, size: tuple[int, int]) -> list[Image.Image]:
  """A strip of one person, with his box."""
  rng = scene.generator(seed, 'sheet', name)
  script = behaviours.script(rng, [name], [0.0, 6.0], sociable=False)
  filmed = scene.stage((seed, 'sheet', name), [script], 4.0, size, 15)
  boxes, _ = filmed.boxes(0)
  corners = np.round(boxes * [*size, *size]).astype(int)
  strip = []
  for t, frame in enumerate(filmed.frames()):
    image = Image.fromarray(frame)
    ImageDraw.Draw(image).rectangle(corners[t].tolist(), outline='red')
    strip.append(image)
  return [strip[round((0.8 + i * _STEP) * 15)] for i in range(_FRAMES)]


def _hands(name: str, seed: int, size: tuple[int, int]) -> list[Image.Image]:
  """A strip of a close-up over its whole length."""
  filmed = closeup.stage((seed, 'sheet', name), name, 2.5, size, 15)
  frames = list(filmed.frames())
  chosen = np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int)
  return [Image.fromarray(frames[t]) for t in chosen]
