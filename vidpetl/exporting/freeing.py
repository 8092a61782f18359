"""Frames and sizes that an export leaves free, where its model allows them.

A program is traced for sizes that are not known. Where that fails, as it does
where a table of positions has a row for each of them, they are not free. What
was traced is compared at the run's own sizes, and at others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jax import export

from vidpetl.exporting import films
from vidpetl.exporting import subject as subject_lib
from vidpetl.exporting.targets import jax as jax_target

WHAT = ('frames', 'size')
# What strides of the backbones divide.
_MULTIPLES = (1, 2, 4, 8, 16, 32)
_COUNTED = ('quality.', 'pretext.')


def free(
  subject: subject_lib.Subject, what: Sequence[str]
) -> subject_lib.Subject:
  """Returns a subject whose programs take clips of other sizes, too.

  Args:
    subject: what is exported.
    what: some of `WHAT`: the number of frames, and the side of the square that
      pictures are in. Each is free in multiples of the smallest number that the
      program can be traced for, a divisor of the run's own.

  Raises:
    ValueError: if there is no such size, or if the model does not allow it.
  """
  for each in what:
    if each not in WHAT:
      raise ValueError(f'--free={each} is none of {", ".join(WHAT)}.')
    subject = _freed(subject, each)
  return subject


def _freed(subject: subject_lib.Subject, what: str) -> subject_lib.Subject:
  clip = subject.task.eval_clip
  size = clip.frames if what == 'frames' else clip.resolution
  if what == 'frames' and subject.kind.startswith(_COUNTED):
    reason = 'its segments and samples are counted in frames of the run'
    raise _refusal(subject, what, reason)
  for multiple in (m for m in _MULTIPLES if not size % m):
    wanted = {**subject.free, what: multiple}
    made = dataclasses.replace(subject, free=wanted)
    try:
      _trace(made)
    except Exception as error:  # Whatever a program does with a number.
      reason = f'{type(error).__name__}: {error}'.partition('\n')[0]
    else:
      return made
  name = subject.spec['backbone']['name']
  raise _refusal(subject, what, f'{name} is built for its {size} ({reason})')


def _refusal(subject, what: str, reason: str) -> ValueError:
  return ValueError(
    f'{subject.origin}: --free={what} does not go with this model: {reason}. '
    'The batch is free in any case.'
  )


def _trace(subject: subject_lib.Subject) -> None:
  params = {
    k: jax.ShapeDtypeStruct(np.shape(v), v.dtype)
    for k, v in subject.params.items()
  }
  for program in subject.programs():
    export.export(jax.jit(program.function), platforms=jax_target.PLATFORMS)(
      params, jax_target.symbolic(program)
    )


def others(
  subject: subject_lib.Subject, clips: films.Clips
) -> list[films.Clips]:
  """Returns the same clips in other sizes; [] where none is free.

  They have a multiple more of frames, the first ones again, and of pixels on a
  side, by repetition.
  """
  if not subject.free:
    return []
  video, size = clips.arrays['video'], clips.arrays['size']
  frames, side = video.shape[-4:-2]
  longer = frames + subject.free.get('frames', 0)
  larger = side + subject.free.get('size', 0)
  places = np.arange(larger) * side // larger
  video = np.take(video, np.arange(longer) % frames, -4)
  video = np.take(np.take(video, places, -3), places, -2)
  # The last row that shows a pixel of the picture.
  size = -(-size * larger // side)
  return [
    films.Clips(
      {**clips.arrays, 'video': video, 'size': size.astype(np.int32)},
      f'{clips.words}, made into {longer} frames of {larger} x {larger} pixels',
    )
  ]
