"""Training clips as the model gets them, on one sheet.

The clips are those of a run's first steps: the same examples, moments, crops,
mirrorings and colours, after which only the normalisation is taken back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vidpetl.data import augment, clips, decode, examples, index
from vidpetl.data.names import shown
from vidpetl.recipes import defaults
from vidpetl.tasks import distillation
from vidpetl.tasks import task as task_lib

# Frames of a clip that are shown, their side in pixels, and clips in a row.
_FRAMES, _SIDE, _COLUMNS = 6, 128, 2
_GAP, _LINE = 14, 17
_INK, _DIM, _BOX = (29, 36, 48), (102, 112, 133), (255, 140, 60)
# Examples that are tried for each one that is shown, where some are damaged.
_TRIES = 4


@dataclasses.dataclass(frozen=True)
class Shown:
  """A clip on the sheet.

  Attributes:
    title: what it shows.
    id: of the example.
    frames: uint8 [k, t, h, w, 3], of the example and of its partners.
    boxes: [n, 4] in pixels of the frames.
  """

  title: str
  id: str
  frames: np.ndarray
  boxes: np.ndarray


def read(
  config: Any, name: str, source: examples.Source, count: int
) -> list[Shown]:
  """Returns the first clips that a run trains on.

  Args:
    config: of the run; it may be incomplete.
    name: of the task.
    source: of its training data.
    count: of clips. There are fewer if too many cannot be decoded.

  Raises:
    ValueError: if the config's task and its data do not go together.
  """
  task = distillation.build(name, config.tasks[name].to_dict(), source.info)
  spec = task.train_clip
  spec.check(source.info)
  count = min(count, len(source))
  seed = defaults.data_seed(config)
  found = []
  for position in range(_TRIES * count):
    if len(found) == count:
      break
    i = int(index.examples(seed, name, np.array(position), len(source)))
    key = index.example_seed(seed, name, position)
    try:
      clip = clips.load(source, i, spec, key)
    except decode.DecodeError:  # The survey has told.
      continue
    found.append(_shown(task, clip, source, i))
  return found


def _shown(
  task: task_lib.Task, clip: Mapping[str, np.ndarray], source, i: int
) -> Shown:
  batch = {key: array[None] for key, array in clip.items()}
  batch = augment.preprocess(batch, task.augment, train=True)
  seen = {key: np.asarray(array)[0] for key, array in batch.items()}
  video = seen['video'].astype(np.float32) * task.augment.std
  video = np.clip(video + task.augment.mean, 0, 1)
  side = video.shape[-2]
  frames = (255 * video).round().astype(np.uint8)
  valid = seen.get('box_valid', np.zeros(0, bool))
  return Shown(
    _title(seen, task, source.info),
    source[i].id,
    frames.reshape(-1, video.shape[-4], side, side, 3),
    seen.get('boxes', np.zeros((0, 4)))[valid],
  )


def _title(
  clip: Mapping[str, np.ndarray], task: task_lib.Task, info: examples.Info
) -> str:
  """Returns what a clip is annotated with."""
  named = lambda found: ', '.join(
    info.classes.get(int(c), f'class {c}') for c in found
  )
  if 'label' in clip:
    return named(np.ravel(clip['label']))
  if 'labels' in clip:
    return named(np.flatnonzero(clip['labels'])) or 'no label'
  if 'score' in clip:
    scores = [f'{score:g}' for score in np.ravel(clip['score'])]
    return 'score ' + ', its exemplar '.join(scores)
  if 'actions' in clip:
    doing = clip['actions'][clip['box_valid']]
    people = [named(np.flatnonzero(row)) or 'nothing' for row in doing]
    numbered = [f'{k + 1} {text}' for k, text in enumerate(people)]
    return '; '.join(numbered) or 'nobody'
  answers = task.train_clip.sampler.answers
  return ', '.join(f'{name} {int(clip[name])}' for name in answers)


def draw(sheets: Mapping[str, Sequence[Shown]]) -> Image.Image:
  """Draws the clips of each task below its name.

  Args:
    sheets: task -> its clips.
  """
  return arrange(
    {name: [_strip(clip) for clip in found] for name, found in sheets.items()}
  )


def arrange(strips: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
  """Lays pictures out below their headings.

  Args:
    strips: heading -> pictures. A single heading is not written.
  """
  every = [strip for found in strips.values() for strip in found]
  wide = max([320, *(strip.width for strip in every)])
  columns = min(_COLUMNS, max(1, *(len(found) for found in strips.values()), 1))
  tall = sum(
    _line_of(strips, name)
    + sum(max(s.height for s in row) + _GAP for row in rows)
    for name, rows in _rows(strips, columns)
  )
  sheet = Image.new(
    'RGB', (columns * (wide + _GAP) + _GAP, tall + _GAP), (255, 255, 255)
  )
  pen, top = ImageDraw.Draw(sheet), _GAP
  for name, rows in _rows(strips, columns):
    if _line_of(strips, name):
      pen.text((_GAP, top), name, _INK, ImageFont.load_default(16))
      top += _line_of(strips, name)
    for row in rows:
      for column, strip in enumerate(row):
        sheet.paste(strip, (_GAP + column * (wide + _GAP), top))
      top += max(strip.height for strip in row) + _GAP
  return sheet


def _rows(strips, columns) -> Iterator[tuple[str, list[list[Image.Image]]]]:
  for name, found in strips.items():
    yield (
      name,
      [found[i : i + columns] for i in range(0, len(found), columns)],
    )


def _line_of(strips, name: str) -> int:
  """Returns the height of a task's name, which is shown if there are more."""
  return 2 * _LINE if len(strips) > 1 and name else 0


def _strip(clip: Shown) -> Image.Image:
  """Returns frames from left to right, below what they are called."""
  _, count, side, _, _ = clip.frames.shape
  chosen = np.linspace(0, count - 1, min(_FRAMES, count)).round().astype(int)
  scale = _SIDE / side
  width = len(chosen) * (_SIDE + 2)
  height = 2 * _LINE + len(clip.frames) * (_SIDE + 2)
  strip = Image.new('RGB', (width, height), (255, 255, 255))
  pen = ImageDraw.Draw(strip)
  title, small = ImageFont.load_default(14), ImageFont.load_default(11)
  pen.text((0, 0), fitting(shown(clip.title), title, width), _INK, title)
  numbers = ', '.join(str(n + 1) for n in chosen)
  below = f'{shown(clip.id)}, frames {numbers} of {count}'
  pen.text((0, _LINE), fitting(below, small, width), _DIM, small)
  for row, frames in enumerate(clip.frames):
    for column, number in enumerate(chosen):
      frame = Image.fromarray(frames[number])
      frame = frame.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
      _draw_boxes(frame, clip.boxes * scale)
      at = column * (_SIDE + 2), 2 * _LINE + row * (_SIDE + 2)
      strip.paste(frame, at)
  return strip


def _draw_boxes(frame: Image.Image, boxes: np.ndarray) -> None:
  pen = ImageDraw.Draw(frame)
  for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
    pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=_BOX)
    at = x1 + 2, y1 + 1
    font = ImageFont.load_default(10)
    text = str(number + 1)
    pen.rectangle(pen.textbbox(at, text, font), fill=(0, 0, 0))
    pen.text(at, text, _BOX, font)


def fitting(text: str, font: Any, width: int) -> str:
  """Returns a text, or its beginning and end if it is too long."""
  if font.getlength(text) <= width:
    return text
  keep = len(text)
  while keep > 8 and font.getlength(_shortened(text, keep)) > width:
    keep -= 2
  return _shortened(text, keep)


def _shortened(text: str, keep: int) -> str:
  return f'{text[: keep // 2]} … {text[-(keep // 2) :]}'
