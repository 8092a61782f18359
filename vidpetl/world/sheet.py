"""A contact sheet: every action as a strip of frames, for people to look at.

Performances come three times, from the best to the worst.
"""

from __future__ import annotations

import numpy as np
from etils import epath
from PIL import Image, ImageDraw

from vidpetl.world import behaviours, clinic, closeup, diving, scene, surgery

_FRAMES = 12
_STEP = 0.18
_NAME = 140
# Of performances: which frames, and which qualities.
_FIRST, _EVERY = 8, 2
_QUALITIES = (1.0, 0.5, 0.0)


def draw(path: epath.Path, seed: int = 0) -> None:
  """Writes the sheet as an image, one row per action or performance.

  Args:
    path: of the image; the suffix chooses its format.
    seed: of looks, styles and scenes.
  """
  size = (128, 96)
  rows = [(name, _people(name, seed, size)) for name in behaviours.BEHAVIOURS]
  rows += [(name, _hands(name, seed, size)) for name in closeup.ACTIONS]
  rows += _performances(seed, size)
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


def _performances(
  seed: int, size: tuple[int, int]
) -> list[tuple[str, list[Image.Image]]]:
  """Named strips of all that is done well or badly."""
  rows = []
  for quality in _QUALITIES:
    for name in diving.DIVES:
      key = (seed, 'sheet', name, quality)
      schedule = diving.Schedule.draw(scene.generator(*key))
      staged = diving.stage(key, [(name, quality)], [schedule], 0.0, size, 15)
      rows.append((f'{name} {quality}', _strip(staged)))
    for name in surgery.TASKS:
      key = (seed, 'sheet', name, quality)
      skill = surgery.Skill.draw(key, quality)
      staged = surgery.stage(key, name, skill, 3.0, size, 15)
      rows.append((f'{name} {quality}', _strip(staged)))
    for name in clinic.TASKS:
      key = (seed, 'sheet', name, quality)
      staged = clinic.stage(key, name, 1 - quality, key, 3.0, size, 15)
      rows.append((f'{name} {quality}', _strip(staged)))
  # The same thing done well and badly, one below the other.
  each = len(rows) // len(_QUALITIES)
  order = np.arange(len(rows)).reshape(-1, each).T.ravel()
  return [rows[i] for i in order]


def _strip(staged: scene.Scene) -> list[Image.Image]:
  frames = list(staged.frames())
  return [Image.fromarray(frames[_FIRST + _EVERY * i]) for i in range(_FRAMES)]
