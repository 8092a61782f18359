"""What is random in the clips of a task, by the fields that make it so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data import clip_spec, samplers
from vidpetl.tasks import task as task_lib

# Of any film; what is drawn does not depend on it.
_EXTENT = samplers.Extent(0.0, 1e4, 1e4, 5e3)
_FPS, _FRAME = 25.0, (240, 320)


class _DrawnError(Exception):
  """Something was drawn."""


class _NoDraws(samplers.Draws):
  """Draws that are none."""

  def uniform(self, n, purpose):
    raise _DrawnError

  def of(self, member):
    return _NoDraws(self.seed, member)


def of_clip(spec: clip_spec.ClipSpec) -> Iterator[str]:
  """Yields what is drawn where a clip is cut, and what would not be.

  Args:
    spec: how it is cut.
  """
  draws = _NoDraws(np.zeros(2, np.uint32))
  try:
    spec.sampler.times(_EXTENT, spec, spec.fps or _FPS, draws)
    spec.sampler.labels(draws)
  except _DrawnError:
    yield f"sampling={spec.sampling!r} draws moments; 'spread' does not"
  if spec.paired:
    yield f'exemplar={spec.kind.exemplar!r} draws partners'
  try:
    if spec.train:
      spec.framing.train(*_FRAME, draws)
  except _DrawnError:
    yield (
      'crops are drawn; with centred=True, without area, sizes and scale, they '
      'are not'
    )


def of_augment(task: task_lib.Base, boxes: bool) -> Iterator[str]:
  """Yields fields of `augment` that change a training clip at random.

  Args:
    task: whose.
    boxes: whether its clips have boxes.
  """
  augment = task.augment
  values = {
    'flip': (augment.flip, False),
    'scale_jitter': (augment.scale_jitter is not None, None),
    'box_jitter': (boxes and augment.box_jitter > 0, 0),
    'color_jitter': (augment.color_jitter is not None, None),
    'grayscale': (augment.grayscale > 0, 0),
    'rand_augment': (augment.rand_augment is not None, None),
    'erasing': (augment.erasing > 0, 0),
  }
  for field, (drawn, off) in values.items():
    if drawn:
      yield f'{field}={getattr(augment, field)} ({off} is none)'
