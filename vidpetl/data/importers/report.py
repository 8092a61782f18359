"""What an import did: for a file, and for the terminal."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vidpetl import tables
from vidpetl.data import names
from vidpetl.data.importers.boxes import Boxes
from vidpetl.data.importers.contract import Clip, LeftOut, Reading
from vidpetl.data.importers.files import SPLITS

# Examples that the terminal shows of each reason, and rows of a table.
_SHOWN, _ROWS = 3, 20


def of_boxes(
  boxes: Boxes, of_film: Mapping[str, str], reading: Reading
) -> dict[str, Any]:
  """Returns the report on boxes."""
  by_film = collections.defaultdict(list)
  for row in boxes.rows:
    by_film[row.film].append(row)
  films = {}
  for name, seconds in boxes.moments.items():
    facts, rows = boxes.facts[name], by_film[name]
    with_boxes = len({row.seconds for row in rows})
    films[name] = {
      'split': of_film[name],
      'boxes': len(rows),
      'persons': len({row.person for row in rows} - {''}),
      'keyframes': len(seconds),
      'annotated_frames': boxes.annotated.get(name, 0),
      'keyframes_without_boxes': len(seconds) - with_boxes,
      'frames': facts.frames or reading.films[name].frames or None,
      'from': seconds[0],
      'to': seconds[-1],
      'fps': facts.fps or None,
      'fps_from': facts.fps_from,
      'size': [*facts.size] if min(facts.size) else None,
      'size_from': facts.size_from,
    }
  cut = [out for found in boxes.cut.values() for out in found]
  return {
    'actions_from': list(boxes.fields),
    'films': films,
    'classes': _classes(
      boxes.classes,
      ((of_film[row.film], row.labels) for row in boxes.rows),
    ),
    'cut': {
      'boxes': len(cut),
      'largest': round(max(cut, default=0.0), 6),
      'films': {name: len(found) for name, found in boxes.cut.items()},
    },
  }


def of_clips(clips: Sequence[Clip]) -> dict[str, Any]:
  """Returns the report on lists of videos."""
  labels = sorted({label for clip in clips for label in clip.labels})
  return {
    'clips': dict(collections.Counter(clip.split for clip in clips)),
    'classes': _classes(labels, ((c.split, c.labels) for c in clips)),
  }


def left_out(found: Iterable[LeftOut]) -> list[dict[str, str]]:
  """Returns what was left out, as a file holds it."""
  return [dataclasses.asdict(one) for one in found]


def _classes(
  classes: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]
) -> dict[str, dict[str, int]]:
  """Returns class -> split -> how many are of it."""
  found = {name: collections.Counter() for name in classes}
  for split, labels in rows:
    for label in labels:
      found[label][split] += 1
  return {name: dict(counts) for name, counts in found.items()}


def unseen(classes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
  """Yields sentences on classes that no training sees, or no split has."""
  groups = {
    'are in val or test alone': lambda c: c and not c.get('train'),
    'have no example': lambda c: not c,
  }
  if not any(counts.get('train') for counts in classes.values()):
    return
  for what, holds in groups.items():
    found = [name for name, counts in classes.items() if holds(counts)]
    if found:
      more = ', …' * (len(found) > _SHOWN)
      yield f'{len(found)} classes {what}: {", ".join(found[:_SHOWN])}{more}.'


def shown(report: Mapping[str, Any]) -> str:
  """Returns a report for the terminal."""
  parts = [_heading(report)]
  if 'films' in report.get('boxes', {}):
    parts += [_films(report['boxes']['films'])]
  for kind in ('boxes', 'clips'):
    if kind in report:
      parts.append(_class_table(report[kind]['classes'], kind))
  cut = report.get('boxes', {}).get('cut', {})
  if cut.get('boxes'):
    parts.append(
      f'{cut["boxes"]} boxes cut at the border of the picture, by at most '
      f'{cut["largest"]:.4%} of it.'
    )
  parts += [_left_out(report['left_out'])] if report['left_out'] else []
  if report['assumed']:
    parts.append('\n'.join(f'note: {each}' for each in report['assumed']))
  parts.append(
    f'Wrote {", ".join(report["written"])} and report.json into '
    f'{report["out"]}.'
  )
  return '\n\n'.join(parts)


def _heading(report: Mapping[str, Any]) -> str:
  files = len(report['files'])
  counts = []
  if films := report.get('boxes', {}).get('films'):
    counts += [
      f'{sum(film["boxes"] for film in films.values())} boxes',
      f'{sum(film["persons"] for film in films.values())} persons',
      f'{sum(film["keyframes"] for film in films.values())} keyframes',
      f'{len(films)} films',
    ]
  if 'clips' in report:
    counts += [f'{sum(report["clips"]["clips"].values())} clips']
  return (
    f'{report["format"]} ({report["title"]}), {files} '
    f'file{"s" * (files != 1)}: {", ".join(counts)}.'
  )


def _films(films: Mapping[str, Mapping[str, Any]]) -> str:
  header = ('film', 'split', 'boxes', 'persons', 'keyframes', 'of', 'without')
  rows = [(*header, 'fps', '', 'size', '')]
  for name, film in list(films.items())[:_ROWS]:
    size = film['size'] or ('', '')
    rows.append(
      (
        names.shown(name),
        film['split'],
        *(str(film[key]) for key in ('boxes', 'persons', 'keyframes')),
        str(film['annotated_frames']),
        str(film['keyframes_without_boxes']),
        f'{film["fps"] or 0:g}' if film['fps'] else '-',
        film['fps_from'],
        'x'.join(f'{value:g}' for value in size if value) or '-',
        film['size_from'],
      )
    )
  return tables.columns(rows, '<<>>>>>><><') + _more(len(films), 'films')


def _more(count: int, what: str) -> str:
  more = count - _ROWS
  return f'\n… and {more} more {what}' if more > 0 else ''


def _class_table(classes: Mapping[str, Mapping[str, int]], kind: str) -> str:
  found = {split for counts in classes.values() for split in counts}
  splits = sorted(found, key=SPLITS.index)
  rows = [(f'class ({kind})', *splits)]
  for name, counts in list(classes.items())[:_ROWS]:
    rows.append((name, *(str(counts.get(split, 0)) for split in splits)))
  sides = '<' + '>' * len(splits)
  return tables.columns(rows, sides) + _more(len(classes), 'classes')


def _left_out(found: Sequence[Mapping[str, str]]) -> str:
  """Returns the reasons, each with some examples."""
  by_reason = collections.defaultdict(list)
  for each in found:
    by_reason[each['why'].partition(':')[0]].append(each)
  lines = [f'Left out: {len(found)} (all of them are in report.json)']
  for why, examples in sorted(by_reason.items()):
    lines.append(f'  {len(examples)}: {why}')
    lines += [
      f'    {each["where"]}: {each["what"]} ({each["why"]})'
      for each in examples[:_SHOWN]
    ]
  return '\n'.join(lines)
