"""Kinetics' csv files."""

from __future__ import annotations

from vidpetl.data.annotations import text

COLUMNS = ('label', 'youtube_id', 'time_start', 'time_end')


def read(path: str) -> tuple[list[str], list[str]]:
  """Reads a split.

  Args:
    path: of a csv with (at least) the columns label, youtube_id, time_start,
      time_end; the label's quotes of some editions are csv quoting.

  Returns:
    Clip names '{youtube_id}_{start:06d}_{end:06d}' and label names, in the
    order of the file.

  Raises:
    text.AnnotationError: with file and line.
  """
  clips, labels = [], []
  for line, row in text.read_table(path, COLUMNS):
    start = text.number(row['time_start'], path, line, 'time_start')
    end = text.number(row['time_end'], path, line, 'time_end')
    if not 0 <= start < end:
      problem = f'time_start {start:g}, time_end {end:g}'
      raise text.fail(path, line, problem, '0 <= time_start < time_end')
    if not row['label'] or not row['youtube_id']:
      raise text.fail(path, line, 'an empty field', 'label and youtube_id')
    clips.append(f'{row["youtube_id"]}_{int(start):06d}_{int(end):06d}')
    labels.append(row['label'])
  if not clips:
    raise text.fail(path, None, 'no clips', 'rows below the header')
  return clips, labels
