"""preprocessing.json: from a film to what an export takes, in numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

from vidpetl.exporting import subject as subject_lib

FILE = 'preprocessing.json'
# Samplers that `colleague.read_clip` knows.
READ = ('stride', 'segments', 'spread', 'around', 'tail')

_FRAME = {
  'pad': 'The longer side becomes the resolution; the picture is put at the '
  'top left of the square, and what is left over is 0.',
  'crop': 'The shorter side becomes short_side; a square of the resolution is '
  'cut out of the middle (three crops: both ends and the middle of the longer '
  'side).',
  'stretch': 'The frame becomes stretch (height, width), whatever its shape; a '
  'square of the resolution is cut out of the middle.',
}
_SAMPLING = {
  'stride': 'Frames stand stride / fps seconds apart. One clip lies in the '
  'middle of the film; of several, the first begins with it and the last ends '
  'with it (places: ends) or each lies in the middle of its share (centres). '
  'A film shorter than a clip: short.',
  'segments': 'The film is cut into as many equal parts as there are frames, '
  'and each shows its middle frame.',
  'spread': 'Frames stand evenly from the first to the last one.',
  'around': 'Frames stand stride / fps seconds apart around the moment that is '
  'asked, which frame number frames / 2 (from 0) shows.',
  'tail': 'The last frames of the film, one behind the other.',
}
_WHERE = {
  True: 'inside of the model',
  False: 'by whoever runs the model, which has the weights alone',
}


def describe(
  subject: subject_lib.Subject, inside: bool = True
) -> dict[str, Any]:
  """Returns what preprocessing.json holds.

  Args:
    subject: what is exported.
    inside: whether the export takes bytes, and averages over views itself; one
      of weights alone does neither.
  """
  task, info = subject.task, subject.info
  clip, augment = task.eval_clip, task.augment
  framing = clip.framing
  return {
    'task': {
      'name': subject.name,
      'kind': subject.kind,
      'labels': [info.classes.get(i, '') for i in range(info.num_classes)],
    },
    'clip': {
      'words': _SAMPLING.get(clip.sampling, 'As the run drew its own clips.'),
      'frames': clip.frames,
      'clips': clip.views[0],
      'sampling': clip.sampling,
      **dataclasses.asdict(clip.sampler),
      'stride': clip.stride,
      'fps': clip.fps or info.fps,
      'fps_words': 'frame rate in which strides count; null is the own rate of '
      'each film',
    },
    'frame': {
      'words': _FRAME[framing.resize]
      + ' Upright, with square pixels, RGB, 0 to 255.',
      'resolution': framing.resolution,
      'resize': framing.resize,
      'short_side': framing.side,
      'stretch': framing.stretch,
      'interpolation': framing.interpolation,
      'scaler': "FFmpeg's swscale, whose kernels widen where it shrinks",
    },
    'views': {
      'axis': clip.num_views > 1,
      'crops': clip.views[1],
      'count': clip.num_views,
      'words': 'clips x crops stand in an axis behind the batch, crops of a '
      'clip side by side, where there are several; answers are averaged over '
      f'them {_WHERE[inside]}',
    },
    'pixels': {
      'words': f'(pixel / 255 - mean) / std, and pad_value outside of size, '
      f'{_WHERE[inside]}',
      'mean': augment.mean,
      'std': augment.std,
      'pad_value': augment.pad_value,
    },
    'free': {
      'words': 'clip.frames and frame.resolution (with frame.short_side or '
      'frame.stretch) may be other multiples of these; {} where the model is '
      'for its own sizes alone',
      'multiples': dict(subject.free),
    },
    'programs': {p.name: _program(p) for p in subject.programs() if inside},
  }


def _program(program: subject_lib.Program) -> dict[str, Any]:
  return {
    name: {
      'shape': [subject_lib.BATCH, *each.sizes],
      'dtype': each.dtype,
      'words': each.words,
    }
    for name, each in program.inputs.items()
  }
