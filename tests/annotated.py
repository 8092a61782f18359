"""One truth of people and actions, and films of it."""

import csv
import dataclasses

import av
import numpy as np

from vidpetl.data import importers
from vidpetl.data.annotations import labelmap
from vidpetl.data.importers import contract, files

FPS, WIDTH, HEIGHT, FRAMES = 10, 64, 48, 20
FILMS = ('dance', 'Film B', 'café')
ACTIONS = ('walk', 'talk to (a person)', 'carry/hold')


@dataclasses.dataclass(frozen=True)
class Box:
  """A person on a frame (from 0); corners in pixels, actions as indices."""

  film: str
  frame: int
  person: int
  corners: tuple[int, int, int, int]
  actions: tuple[int, ...]

  @property
  def xywh(self):
    x1, y1, x2, y2 = self.corners
    return x1, y1, x2 - x1, y2 - y1


def truth(several=True):
  """Returns the boxes; where not `several`, one action each."""
  boxes = []
  for i, film in enumerate(FILMS):
    for frame in (0, 5, 10):
      one = (2 + frame, 4, 20 + frame, 40)
      boxes.append(Box(film, frame, 1, one, (0, 1) if several else (0,)))
      if frame:
        boxes.append(Box(film, frame, 2, (40, 8 + i, 60, 44), (2,)))
  return boxes


def rows(boxes):
  """Returns the rows that vidpetl's csv has of the boxes."""
  found = []
  for box in boxes:
    size = (WIDTH, HEIGHT, WIDTH, HEIGHT)
    cells = [c / s for c, s in zip(box.corners, size)]
    for action in box.actions:
      row = (box.film, box.frame / FPS, *cells, action + 1, box.person)
      found.append((row[0], *(round(v, 6) for v in row[1:])))
  return sorted(found)


def read(path):
  """Returns the rows of a csv of vidpetl's, by the ids that rows() has."""
  names = labelmap.read(str(path.parent / 'labels.txt'))
  ids = {number: ACTIONS.index(name) + 1 for number, name in names.items()}
  with open(path, newline='', encoding='utf-8') as file:
    found = []
    for film, *cells in csv.reader(file):
      numbers = [round(float(cell), 6) for cell in cells]
      numbers[5:6] = [ids[int(number)] for number in numbers[5:6]]
      found.append((film, *numbers))
  return sorted(found)


def film(path, size=(WIDTH, HEIGHT), frames=FRAMES, fps=FPS):
  """Writes a film."""
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=fps)
    stream.width, stream.height, stream.pix_fmt = *size, 'yuv420p'
    for i in range(frames):
      picture = np.full((size[1], size[0], 3), 10 * i % 256, np.uint8)
      for packet in stream.encode(av.VideoFrame.from_ndarray(picture)):
        container.mux(packet)
    for packet in stream.encode():
      container.mux(packet)


def films(folder, **changes):
  """Writes all films."""
  folder.mkdir(exist_ok=True)
  for name in FILMS:
    film(folder / f'{name}.mp4', **changes)
  return folder


def reading(name, *paths, **options):
  """Returns what a format reads of files."""
  found = contract.Reading(contract.Options(**options))
  listed = files.find([str(path) for path in paths])
  importers.find(name).read(listed, found)
  return found


def of_film(boxes, name):
  return [box for box in boxes if box.film == name]
