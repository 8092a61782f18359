"""Clips that play in the page, beside what speaks for the predicted class.

A clip is one animation: its frames and, where there is a map, the same frames
with it, so that both are at the same moment. Who asked a browser for less
motion sees the middle frame.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from vidpetl import markup
from vidpetl.data import clip_spec
from vidpetl.data.names import plural
from vidpetl.studies import clip_sheet, grad_cam
from vidpetl.studies.clip_sheet import Ranked
from vidpetl.studies.recorded import Recorded

_SIDES = {1: 240, 2: 320}  # pixels of the longer side, of so many panels
_FRAMES = 24  # of an animation, at most
_QUALITY = 60
_RATE = 8.0  # frames a second, where moments are spread over the video
_FASTEST = 25.0  # frames a second
_STRIDING = ('stride', 'around')

_Any = TypeVar('_Any')
Maps = Mapping[str, grad_cam.Example]


def clips(
  run: Recorded, task: str, count: int, maps: Maps | None = None
) -> list[str]:
  """Returns the clips that a run does worst and best on, playing.

  Args:
    run: whose data are where its config says.
    task: of the run.
    count: of clips of each.
    maps: id of a clip -> what speaks for its predicted class.

  Raises:
    ValueError, OSError: if the data are gone, or the task has no such clips.
  """
  every = clip_sheet.rank(run, task)
  worst, best = clip_sheet.choose(every, count)
  source, spec = clip_sheet.open_data(run, task)

  def cards(chosen: Sequence[Ranked], kind: str) -> list[str]:
    return [
      _card(clip, arrays, spec, kind, (maps or {}).get(clip.id))
      for clip, _, arrays in clip_sheet.read(chosen, source, spec)
    ]

  return both_ends(worst, best, cards, plural(len(every), 'clip'))


def both_ends(
  worst: Sequence[_Any],
  best: Sequence[_Any],
  cards: Callable[[Sequence[_Any], str], list[str]],
  of: str,
  size: str = '',
) -> list[str]:
  """Returns the cards of the worst and of the best, below headings.

  Args:
    worst: what is shown of these.
    best: and of these.
    cards: makes them, given what is shown and the class of its cards; what
      cannot be read any more has none.
    of: how many there are of all, in words.
    size: class of the cards' place, if they are not of the usual size.
  """
  parts = []
  for name, kind, chosen in (('Worst', 'bad', worst), ('Best', 'fine', best)):
    if not chosen:
      continue
    made = cards(chosen, kind)
    told = f'{len(made)} of {of}'
    if len(made) < len(chosen):
      told += f'; {len(chosen) - len(made)} could not be read any more'
    place = f'clips {size}'.strip()
    parts += [
      f'<h4>{name} <span class="dim">{told}</span></h4>',
      f'<div class="{place}">{"".join(made)}</div>',
    ]
  return parts


def _card(
  clip: Ranked,
  arrays: Mapping[str, np.ndarray],
  spec: clip_spec.ClipSpec,
  kind: str,
  example: grad_cam.Example | None,
) -> str:
  height, width = arrays['size']
  frames = arrays['video'].reshape(-1, *arrays['video'].shape[-3:])
  shown = frames[:, :height, :width]
  if example is not None:
    shown = np.concatenate([shown, _painted(example)], axis=2)
  told = _moments(len(frames), spec) + speaks(example, 'right')
  return (
    f'<div class="clip {kind}">'
    f'{_picture(shown, clip.title, spec, 1 + (example is not None))}'
    f'<b>{markup.text(clip.title)}</b>'
    f'<span class="dim small">{markup.text(clip.id)}{told}</span></div>'
  )


def _painted(example: grad_cam.Example) -> np.ndarray:
  heated = (255 * grad_cam.overlay(example.frames, example.heat)).round()
  return heated.astype(np.uint8)


def speaks(example: grad_cam.Example | None, where: str) -> str:
  """Returns what a map shows, in words; '' without one.

  Args:
    example: with the map.
    where: it is, such as 'right'.
  """
  if example is None:
    return ''
  said = markup.text(f'{example.predicted} {example.score:.2f}')
  return f'<br>{where}: what speaks for {said}'


def heated(example: grad_cam.Example) -> str:
  """Returns an animation of a map alone, as fast as spread moments are."""
  chosen = _some(len(example.frames))
  frames = _painted(example)
  images = [_small(frames[i], _SIDES[1]) for i in chosen]
  pauses = [1 / _RATE] * len(images)
  return playing(images, pauses, len(images) // 2, example.predicted)


def _some(frames: int) -> list[int]:
  """Returns which frames an animation has, evenly spread."""
  places = np.linspace(0, frames - 1, min(frames, _FRAMES))
  return places.round().astype(int).tolist()


def _moments(frames: int, spec: clip_spec.ClipSpec) -> str:
  if frames == 1:
    return ''
  seconds = _seconds(frames, spec)
  played = f', {seconds:.1f} s' if seconds else ', spread over the video'
  return f'<br>{frames} frames{played}'


def _seconds(frames: int, spec: clip_spec.ClipSpec) -> float | None:
  """Returns how long a clip lasts; None if its frames lie as they fall."""
  if spec.sampling not in _STRIDING or not spec.fps:
    return None
  return frames * spec.stride / spec.fps


def _picture(
  frames: np.ndarray, title: str, spec: clip_spec.ClipSpec, panels: int
) -> str:
  """Returns an animation of frames [t, h, w, 3]."""
  chosen = _some(len(frames))
  count = len(chosen)
  seconds = _seconds(len(frames), spec) or count / _RATE
  pause = max(seconds / count, 1 / _FASTEST)
  images = [_small(frames[i], _SIDES[panels]) for i in chosen]
  return playing(images, [pause] * count, count // 2, title)


def playing(
  images: Sequence[Image.Image],
  seconds: Sequence[float],
  still: int,
  title: str,
) -> str:
  """Returns an animation, with a still in its place.

  Args:
    images: of one size.
    seconds: for which each is shown.
    still: which of them stands for all.
    title: for those who see none.
  """
  instead = ''
  if len(images) > 1:
    address = markup.data_uri(_webp([images[still]], seconds), 'image/webp')
    instead = (
      f'<source media="(prefers-reduced-motion: reduce)" srcset="{address}">'
    )
  address = markup.data_uri(_webp(images, seconds), 'image/webp')
  width, height = images[0].size
  return (
    f'<picture>{instead}<img src="{address}" width="{width}" '
    f'height="{height}" decoding="async" alt="{markup.text(title)}"></picture>'
  )


def _small(frame: np.ndarray, side: int) -> Image.Image:
  image = Image.fromarray(frame)
  factor = side / max(image.size)
  size = [max(1, round(factor * length)) for length in image.size]
  return image.resize(size, Image.Resampling.BICUBIC)


def _webp(images: Sequence[Image.Image], seconds: Sequence[float]) -> bytes:
  """Returns an animation that goes on for ever; of one image a still."""
  file = io.BytesIO()
  first, *rest = images
  more = {}
  if rest:
    pauses = [math.floor(1000 * each) for each in seconds]
    more = {'append_images': rest, 'duration': pauses, 'loop': 0}
  first.save(file, 'WEBP', quality=_QUALITY, save_all=bool(rest), **more)
  return file.getvalue()


def places(run: Recorded, task: str, count: int) -> dict[int, str]:
  """Returns the clips to explain: place in the test set -> id.

  Raises:
    ValueError, OSError: as `clips` does.
  """
  worst, best = clip_sheet.choose(clip_sheet.rank(run, task), count)
  source, _ = clip_sheet.open_data(run, task)
  at = clip_sheet.places([*worst, *best], source)
  return {i: name for name, i in at.items()}
