"""README.md of an export: how its receiver runs it, without vidpetl."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from vidpetl.exporting import preprocessing
from vidpetl.exporting import subject as subject_lib

FILE = 'README.md'

_MORE = {
  'boxes': "inputs['boxes'] = np.zeros((1, {n}, 4), 'float32')  # of people",
  'difficulty': "inputs['difficulty'] = np.ones(1, 'float32')",
}
_SIZES = {'frames': '`clip.frames`', 'size': '`frame.resolution`'}
_SHOW = {
  'classification': "print(labels[int(np.argmax(answer['scores'][0]))])",
  'multilabel': "print(dict(zip(labels, np.array(answer['scores'][0]))))",
}


def write(
  subject: subject_lib.Subject, target: ModuleType, compared: Sequence[str]
) -> str:
  """Returns the text.

  Args:
    subject: what was exported.
    target: its module.
    compared: how far it is from the run, and on what.
  """
  return '\n'.join(
    [
      f'# {subject.name}: {subject.kind}',
      '',
      f'Exported by vidpetl {subject.spec.get("vidpetl", "")}. '
      f'Compared with the run: {". ".join(compared)}.',
      '',
      f'    pip install {target.NEEDS}',
      '',
      '```python',
      example(subject, target),
      '```',
      '',
      f'`{preprocessing.FILE}` says how a film becomes the inputs, and what '
      'they are; `read_clip.py` does it.' + _free(subject),
      '',
    ]
  )


def _free(subject: subject_lib.Subject) -> str:
  """Returns which sizes may be others, and how."""
  if not subject.free:
    return ''
  sizes = ' and '.join(
    f'{_SIZES[what]} in multiples of {multiple}'
    for what, multiple in subject.free.items()
  )
  return (
    f' The model takes {sizes}: change them there, and `read_clip.py` reads '
    'films so.'
  )


def example(subject: subject_lib.Subject, target: ModuleType) -> str:
  """Returns a program that answers film.mp4."""
  model, *_ = subject.programs()
  reads = subject.task.eval_clip.sampling in preprocessing.READ
  lines = [
    'import json, numpy as np',
    'from read_clip import read_clip',
    f"spec = json.load(open('{preprocessing.FILE}', encoding='utf-8'))",
    "labels = spec['task']['labels']",
    "inputs = read_clip('film.mp4', spec)"
    if reads
    else 'inputs = …  # its clips are drawn by the run itself: ask vidpetl',
  ]
  lines += [
    text.format(n=model.inputs[name].shape[0] if name == 'boxes' else '')
    for name, text in _MORE.items()
    if name in model.inputs
  ]
  lines += target.EXAMPLE.strip().splitlines()
  lines.append(_SHOW.get(subject.kind, 'print(answer)'))
  return '\n'.join(lines)
