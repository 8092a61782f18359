"""Headers of csv files in AVA's format, which has none but people write."""

from __future__ import annotations

from collections.abc import Sequence

from vidpetl.data.annotations import text

_VIDEO = ('video', 'video_id', 'video_name', 'name', 'file', 'filename', 'id')
_SECONDS = ('seconds', 'second', 'sec', 's', 'time', 'timestamp', 't')
# What columns are called, in their order.
_COLUMNS = (
  _VIDEO,
  (*_SECONDS, 'middle_frame_timestamp', 'frame_timestamp', 'time_s'),
  ('x1', 'x_1', 'xmin', 'x_min', 'left'),
  ('y1', 'y_1', 'ymin', 'y_min', 'top'),
  ('x2', 'x_2', 'xmax', 'x_max', 'right'),
  ('y2', 'y_2', 'ymax', 'y_max', 'bottom'),
  ('action', 'action_id', 'label', 'label_id', 'class', 'class_id'),
)


def named(name: str) -> str:
  """Returns 'video', 'seconds', 'x1' … 'y2' or 'action' for a column so called.

  Args:
    name: as a header has it.

  Returns:
    Also the name itself, as `text.column` has it, where it is none of these.
  """
  called = text.column(name)
  first = (known[0] for known in _COLUMNS if called in known)
  return next(first, called)


def is_header(row: Sequence[str]) -> bool:
  """Returns whether a row names a column of videos and one of seconds."""
  called = [text.column(field) for field in row[:2]]
  return len(called) == 2 and all(map(_is_called, called, _COLUMNS))


def check(path: str, line: int, row: Sequence[str]) -> bool:
  """Returns whether a row is a header, of columns in AVA's order.

  Raises:
    text.AnnotationError: for a header of other columns.
  """
  if not is_header(row):
    return False
  called = [text.column(field) for field in row]
  if not all(map(_is_called, called, _COLUMNS)):
    expected = 'video,seconds,x1,y1,x2,y2,action (corners, in this order)'
    raise text.fail(path, line, f'the columns {",".join(row)}', expected)
  return True


def _is_called(name: str, known: Sequence[str]) -> bool:
  return name in known
