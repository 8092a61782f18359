"""A detector by what a user wrote: its name or path, and options."""

from __future__ import annotations

import re
from typing import Any

from vidpetl import options as options_lib
from vidpetl import parts
from vidpetl.inference.people import detectors
from vidpetl.inference.people.tracked import Detect

_OPTIONS = re.compile(r'(.+?):(\w+=[^:,/]*(?:,\w+=[^:,/]*)*)')


def load(spec: str, **options: Any) -> Detect:
  """Returns a detector of people.

    load('hog')
    load('yolox_nano.onnx')
    load('mine.onnx:layout=yolox,person=2')   as a command line says it
    load('rtdetr_r18vd', person=0)

  Args:
    spec: 'hog', an onnx file, or a folder as transformers saves it; options
      may stand behind a colon.
    **options: of this way of detecting.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: for what no detector takes, an unknown option, a missing
      package, or a file that says too little.
  """
  match = _OPTIONS.fullmatch(spec)
  name, told = match.groups() if match else (spec, '')
  known = {
    part: parts.load(detectors, part, 'DETECTOR', 'detector').DETECTOR
    for part in parts.names(detectors, 'DETECTOR')
  }
  detector = next((d for d in known.values() if d.takes(name)), None)
  if detector is None:
    there = '; '.join(d.title for d in known.values())
    raise ValueError(
      f'--detector={spec}: no such file or folder, and no name of a detector. '
      f'There are: {there}.'
    )
  texts = dict(pair.split('=') for pair in told.split(',') if pair)
  owner = f'--detector={name}'
  options |= options_lib.parse(detector.open, texts, owner)
  return options_lib.call(detector.open, {'spec': name, **options}, owner)
