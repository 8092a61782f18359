"""What all tasks of action quality have in common."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import numpy as np

from vidpetl import ranges
from vidpetl.data import examples
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.quality import segments

Starts = Annotated[tuple[ranges.Natural, ...], ranges.Filled()]


@dataclasses.dataclass(frozen=True)
class Quality(task_lib.Task):
  """A video is cut into segments, and the backbone encodes each.

  Attributes:
    starts: first frames of the segments, see `segments`; the default is that
      of USDL on MTL-AQA.
    length: frames of a segment.
    info: of the training data, whose labels are checked if there are any: where
      a run is only described there are none.
    plan: of the run.
  """

  starts: Starts = (*range(0, 81, 10), 87)
  length: ranges.Count = 16
  info: examples.Info | None = dataclasses.field(
    default=None, compare=False, repr=False
  )
  plan: task_lib.Plan = dataclasses.field(
    default=task_lib.NO_PLAN, compare=False, repr=False
  )

  def __post_init__(self):
    super().__post_init__()
    for clip, spec in (
      ('clip', self.train_clip),
      ('eval_clip', self.eval_clip),
    ):
      segments.check(self.starts, self.length, spec.frames, self.name, clip)

  @property
  def table(self) -> dict[str, np.ndarray]:
    """Labels of the training data as columns; empty if they are not known."""
    table = self.info.table if self.info else {}
    return dict(table) if len(table.get('scores', ())) else {}

  @property
  def needs(self) -> dict[str, str]:
    """What has to be known of a performance to score it, and which field says
    so: 'difficulty', 'action'."""
    return {}

  def where(self, field: str) -> str:
    """Returns what errors call a field of the task."""
    return f'config.tasks.{self.name}.{field}'

  def views(self, inputs, train):
    """Returns segments [b, (2,) s, length, h, w, 3]."""
    del train
    return segments.cut(inputs['video'], self.starts, self.length)

  def protocol(self) -> dict[str, Any]:
    clip = task_lib.clip_protocol(self.eval_clip)
    return clip | {'starts': list(self.starts), 'length': self.length}


def example(info: examples.Info, i: int) -> str:
  """Returns what errors call example `i`."""
  ids = info.table.get('ids', ())
  name = ids[i] if len(ids) else f'example {i} (counted from 0)'
  return f'{name} of {info.name}/{info.split}'


def require_difficulties(info: examples.Info, reason: str) -> None:
  """Raises ValueError unless every example has a difficulty above 0.

  Args:
    info: with a table, or without, in which case there is nothing to check.
    reason: the field that needs them, and its value.
  """
  difficulties = info.table.get('difficulties', np.ones(0))
  # Not '<= 0', which nan is not either.
  bad = np.flatnonzero(~(np.asarray(difficulties, float) > 0))
  if bad.size:
    raise ValueError(
      f'{reason} needs the difficulty of every example, but that of '
      f'{example(info, bad[0])} is {difficulties[bad[0]]}.'
    )
