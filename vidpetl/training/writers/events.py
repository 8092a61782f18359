"""TensorBoard's files of events: each point of a curve is in them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tensorflow as tf
from etils import epath

_FILES = 'events.out.tfevents.*'

Points = set[tuple[int, str]]


def keep(folder: epath.Path, wanted: Callable[[int, str], bool]) -> Points:
  """Drops what is not wanted, what is there twice, and torn ends of files.

  Args:
    folder: of the files.
    wanted: step, tag -> whether a point stays.

  Returns:
    (step, tag) of all points that stay.
  """
  points: Points = set()
  for path in sorted(folder.glob(_FILES)):
    before = set(points)
    # Pictures are many: a file is read twice rather than held in memory.
    events = _filtered(path, points, wanted)
    if sum(event is None for event in events):
      # Its name until then is none that TensorBoard reads.
      new = path.with_name(path.name.replace('tfevents', 'unfinished'))
      with tf.io.TFRecordWriter(str(new)) as writer:
        for event in _filtered(path, before, wanted):
          if event is not None:
            writer.write(event.SerializeToString())
      new.replace(path)
  return points


def _filtered(
  path: epath.Path, points: Points, wanted: Callable[[int, str], bool]
) -> Iterator[tf.compat.v1.Event | None]:
  """Yields events that stay, adding their points; None where any is lost."""
  records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
  try:
    for event in map(tf.compat.v1.Event.FromString, records):
      count = len(event.summary.value)
      _filter(event, points, wanted)
      if len(event.summary.value) < count:
        yield None
      if event.summary.value or not count:
        yield event
  except tf.errors.DataLossError:
    yield None


def _filter(
  event: tf.compat.v1.Event,
  points: Points,
  wanted: Callable[[int, str], bool],
) -> None:
  """Leaves those values of an event that stay; adds them to `points`."""
  values = list(event.summary.value)
  stay = []
  for value in values:
    point = event.step, value.tag
    if point not in points and wanted(*point):
      points.add(point)
      stay.append(value)
  if len(stay) < len(values):
    del event.summary.value[:]
    event.summary.value.extend(stay)
