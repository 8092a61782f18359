"""Keyframes with people, in their films, and as evaluations drew them.

A film plays up to its keyframe, stops there with everybody's box and actions,
and goes on: boxes are those of the keyframe alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vidpetl import markup, mistakes
from vidpetl.data import decode, examples, frames
from vidpetl.data.names import plural, shown
from vidpetl.studies import clip_sheet, keyframe_sheet
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import moving
from vidpetl.tasks import localisation

_SIDE = 560  # pixels of the longer side
_RATE, _AROUND = 8.0, 5  # frames a second; on each side of a keyframe
_STOP = 1.5  # seconds at a keyframe
_DRAWN = 6
# What `vidpetl figures` and `vidpetl pictures` leave beside drawn keyframes.
_OF_FIGURES = ('confusion', 'classes', 'clips', 'curves', 'scores')


def keyframes(
  run: Recorded, task: str, count: int, maps: moving.Maps | None = None
) -> list[str]:
  """Returns the keyframes that a run does worst and best on, in their films.

  Args:
    run: whose data are where its config says.
    task: of the run.
    count: of keyframes of each.
    maps: id of a keyframe -> what speaks for its surest action.

  Raises:
    ValueError, OSError: as `keyframe_sheet.open_ranked` does.
  """
  source, every = keyframe_sheet.open_ranked(run, task)
  worst, best = clip_sheet.choose(every, count)
  told = (
    '<p class="dim">A film stops at its keyframe. What was found is orange, '
    'with its best actions, which are green where they are annotated; what is '
    'annotated is white.</p>'
  )
  cards = functools.partial(_cards, source, maps or {})
  of = plural(len(every), 'keyframe')
  return [told, *moving.both_ends(worst, best, cards, of, 'large')]


def places(run: Recorded, task: str, count: int) -> dict[int, str]:
  """Returns the keyframes to explain: place in the test set -> id.

  Raises:
    ValueError, OSError: as `keyframes` does.
  """
  source, every = keyframe_sheet.open_ranked(run, task)
  worst, best = clip_sheet.choose(every, count)
  return {each.row: shown(source[each.row].id) for each in (*worst, *best)}


def _cards(
  source: examples.Source,
  maps: moving.Maps,
  chosen: Sequence[keyframe_sheet.Ranked],
  kind: str,
) -> list[str]:
  cards = []
  for each in chosen:
    try:
      images = _in_its_film(each, source)
    except decode.DecodeError as error:
      mistakes.note(f'left out, cannot be decoded: {error}')
      continue
    seconds = [1 / _RATE] * len(images)
    seconds[_AROUND] = _STOP
    name = shown(source[each.row].id)
    heat = maps.get(name)
    cards.append(
      f'<div class="clip {kind}">'
      f'{moving.playing(images, seconds, _AROUND, each.title)}'
      f'{moving.heated(heat) if heat else ""}'
      f'<b>{markup.text(each.title)}</b><span class="dim small">'
      f'{markup.text(name)}{moving.speaks(heat, "below")}</span></div>'
    )
  return cards


def _in_its_film(
  each: keyframe_sheet.Ranked, source: examples.Source
) -> list[Image.Image]:
  """Returns a keyframe, drawn, between the frames around it."""
  keyframe = source[each.row]
  boxed = localisation.draw_keyframe(source, each.row, each.people)
  drawn = Image.fromarray(boxed)
  drawn.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
  times = keyframe.time + np.arange(-_AROUND, _AROUND + 1) / _RATE
  fit = lambda h, w: (round(drawn.width * h / w), drawn.width)
  video = source.video(each.row)
  with frames.open_video(video, keyframe.id, source.info.fps) as film:
    around = film.read(times, fit)
  images = []
  for frame in around:
    # Below it is who is annotated.
    image = drawn.copy()
    image.paste(Image.fromarray(frame))
    images.append(image)
  images[_AROUND] = drawn
  return images


def drawn(run: Recorded, task: str) -> list[str]:
  """Returns the keyframes with boxes that the evaluation drew.

  Raises:
    ValueError: if it drew none.
  """
  known = {f'{task}_{name}.png' for name in _OF_FIGURES}
  found = sorted(
    path
    for path in (run.workdir / 'pictures').glob(f'{task}_*.png')
    if path.name not in known
  )
  if not found:
    raise ValueError('The evaluation drew no keyframes.')
  cards = []
  for path in found[:_DRAWN]:
    with path.open('rb') as file, Image.open(file) as opened:
      image = opened.convert('RGB')
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    name = path.name.removeprefix(f'{task}_').removesuffix('.png')
    cards.append(
      f'<div class="clip">{moving.playing([image], [1.0], 0, name)}'
      f'<span class="dim small">{markup.text(name)}</span></div>'
    )
  return [
    f'<p class="dim">{len(cards)} of {plural(len(found), "keyframe")} that the '
    'latest evaluation drew: detections with their best actions, and '
    'annotated boxes.</p>',
    f'<div class="clips large">{"".join(cards)}</div>',
  ]
