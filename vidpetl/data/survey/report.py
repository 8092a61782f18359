"""What was found, as lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vidpetl import tables
from vidpetl.data.survey import findings as findings_lib

# Classes in the table; examples of a finding.
_CLASSES, _EXAMPLES = 20, 3


def text(found: Mapping[str, Any]) -> str:
  """Returns the report.

  Args:
    found: of `facts.result`.
  """
  parts = [_task(name, task) for name, task in found['tasks'].items()]
  lines = list(lines_of(found, _EXAMPLES))
  if lines:
    parts.append('\n'.join(lines))
  return '\n\n'.join([*parts, verdict(found)])


def verdict(found: Mapping[str, Any]) -> str:
  """Returns the last word, a sentence."""
  wrong, notes = found['levels']['wrong'], found['levels']['note']
  if wrong:
    return (
      f'{findings_lib.plural(wrong, "thing")} would make results wrong; '
      f'{findings_lib.plural(notes, "note")}.'
    )
  if notes:
    return (
      f'Nothing would make results wrong; {findings_lib.plural(notes, "note")}.'
    )
  return 'Nothing odd was found.'


def lines_of(found: Mapping[str, Any], examples: int = 1) -> Iterator[str]:
  """Yields the findings as lines, with a few examples each.

  Args:
    found: of `facts.result`.
    examples: of each finding.
  """
  several = len(found['tasks']) > 1
  for finding in found['findings']:
    task = f'{finding["task"]}: ' if several and finding['task'] else ''
    yield f'{finding["level"]:<5}  {task}{finding["text"]}.'
    some = [e for e in finding['examples'] if e not in finding['text']]
    some = some[:examples]
    for example in some:
      yield f'         {example}'
    if some and finding['count'] > len(some):
      yield f'         … {finding["count"]:,} in all'


def _task(name: str, task: Mapping[str, Any]) -> str:
  classes = task['classes']
  head = f'{name}: {task["kind"]}'
  if classes:
    head += f', {findings_lib.plural(len(classes), "class", "classes")}'
  parts = [head, tables.columns(rows_of(task), _sides(task), '  ')]
  if classes:
    parts.append(_class_table(classes, list(task['splits'])))
  return '\n'.join(parts)


def _sides(task: Mapping[str, Any]) -> str:
  return '<' + '>' * len(task['splits'])


def rows_of(task: Mapping[str, Any]) -> list[list[str]]:
  """Returns a table of the splits of a task: a header, and rows with values."""
  splits = task['splits'].values()
  rows = [
    ['', *task['splits']],
    ['clips', *(f'{split["clips"]:,}' for split in splits)],
    ['left out', *(f'{split["left_out"]:,}' for split in splits)],
    ['files', *(f'{split["files"]:,}' for split in splits)],
    ['read', *(_unless(s['known'], s['files']) for s in splits)],
    ['not readable', *(f'{sum(s["faults"].values()):,}' for s in splits)],
    ['size', *(_bytes(split['bytes']) for split in splits)],
    ['hours', *(f'{split["hours"]:.2f}' for split in splits)],
  ]
  for key, name in (
    ('clip_duration', 'clip, seconds'),
    ('fps', 'frames a second'),
    ('longest_gop', 'longest GOP, frames'),
    ('scores', 'scores'),
  ):
    rows.append([name, *(_range(split[key]) for split in splits)])
  for key in ('sizes', 'codecs', 'containers'):
    rows.append([key, *(_most(split[key]) for split in splits)])
  # A row without a value says nothing.
  return [row for row in rows if any(cell not in ('', '0') for cell in row[1:])]


def _unless(count: int, all_of_them: int) -> str:
  return f'{count:,}' if count != all_of_them else ''


def _range(found: Mapping[str, Any] | None) -> str:
  if found is None:
    return ''
  low, middle, high = (f'{found[k]:.4g}' for k in ('min', 'median', 'max'))
  return low if low == high else f'{low} to {high}, median {middle}'


def _most(counts: Mapping[str, int]) -> str:
  """Returns the most frequent values: '320x240, 640x480 and 3 more'."""
  return findings_lib.listed(counts, 2)


def _bytes(count: int) -> str:
  for unit in ('B', 'kB', 'MB', 'GB'):
    if count < 1000:
      return f'{count:.3g} {unit}' if count else ''
    count /= 1000
  return f'{count:.3g} TB'


def _class_table(
  classes: Sequence[Mapping[str, Any]], splits: Sequence[str]
) -> str:
  """Returns the counts of classes: all of them, or the largest and smallest."""
  shown = sorted(classes, key=lambda one: -one[splits[0]])
  rows = [['class', *splits]]
  cells = [[one['name'], *(f'{one[s]:,}' for s in splits)] for one in shown]
  if len(cells) > _CLASSES:
    half = _CLASSES // 2
    gap = [f'… {len(cells) - _CLASSES:,} more', *('' for _ in splits)]
    cells = [*cells[:half], gap, *cells[-half:]]
  return tables.columns(rows + cells, '<' + '>' * len(splits), '  ')
