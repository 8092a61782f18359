"""vidpetl's own csv files, as an import writes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from etils import epath

from vidpetl import durable
from vidpetl.data import splits
from vidpetl.data.annotations import text
from vidpetl.data.importers.boxes import Boxes
from vidpetl.data.importers.contract import Clip, Film, Reading
from vidpetl.data.importers.files import SPLITS

REPORT = 'report.json'
_CLIPS = ('path', 'label', 'start', 'end', 'split')


def clear(folder: epath.PathLike) -> epath.Path:
  """Returns a folder in which no earlier import's files are left.

  Raises:
    ValueError: if it holds files that may be in the way and are no import's.
  """
  folder = epath.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  report = folder / REPORT
  if report.exists():
    expected = 'the report of an import'
    for name in text.read_json(str(report), dict, expected).get('written', ()):
      (folder / epath.Path(name).name).unlink(missing_ok=True)
    report.unlink()
  left = [path.name for path in folder.glob('*.csv')]
  left += [path.name for path in folder.glob('labels.txt')]
  if left:
    raise ValueError(
      f'--out={folder} holds {", ".join(sorted(left))}, which no import wrote; '
      'give another folder'
    )
  return folder


def split_of(
  films: Mapping[str, Film], split: str, share: float, reading: Reading
) -> dict[str, str]:
  """Returns film -> split.

  Args:
    films: by name, of which files may say the split.
    split: of all, if it is given.
    share: of films that are for validation, where no file says it.
    reading: to note what was done.
  """
  if split:
    return dict.fromkeys(films, split)
  placed = [sorted(film.splits) for film in films.values()]
  # One name in all files, such as that of train_station.xml, parts nothing.
  parted = len({split for found in placed for split in found}) > 1
  if parted and all(len(found) == 1 for found in placed):
    return {name: one for name, (one,) in zip(films, placed)}
  torn = [name for name, film in films.items() if len(film.splits) > 1]
  if torn:
    reading.note(
      f'{", ".join(torn)}: in several splits by the names of files. A film is '
      'in one split here, so that no test is on a film that was trained on.'
    )
  if len(films) == 1:
    reading.note(
      'There is one film, so no val.csv: validation needs a film of its own.'
    )
  else:
    reading.note(
      f'No names of files tell train from val: {share:g} of the films is '
      'val, by a hash of the name (--split=NAME, or --share=).'
    )
  chosen = splits.by_share(list(films), [''] * len(films), share)
  return {name: 'val' if val else 'train' for name, val in zip(films, chosen)}


def write_boxes(
  folder: epath.Path, boxes: Boxes, of_film: Mapping[str, str]
) -> list[str]:
  """Writes a csv for each split, and the names of actions.

  Returns:
    The names of the files.
  """
  number = {name: i for i, name in enumerate(boxes.classes, 1)}
  written = []
  for split in sorted(set(of_film.values()), key=SPLITS.index):
    rows = [row for row in boxes.rows if of_film[row.film] == split]
    lines: dict[tuple[str, float], list[list[str]]] = {
      (film, seconds): []
      for film, found in boxes.moments.items()
      if of_film[film] == split
      for seconds in found
    }
    for row in rows:
      cells = [row.film, *map(_number, (row.seconds, *row.corners))]
      person = [row.person] if row.person else []
      lines[row.film, row.seconds] += [
        [*cells, str(number[label]), *person] for label in row.labels
      ]
    for (film, seconds), found in lines.items():
      found[:] = found or [[film, _number(seconds)]]
    name = f'{split}.csv'
    flat = (row for found in lines.values() for row in found)
    durable.write(folder / name, _csv(flat))
    written.append(name)
  labels = ''.join(f'{i}: {name}\n' for name, i in number.items())
  durable.write(folder / 'labels.txt', labels)
  return [*written, 'labels.txt']


def write_clips(folder: epath.Path, clips: Sequence[Clip]) -> list[str]:
  """Writes a manifest.

  Returns:
    The name of the file.
  """
  timed = any(clip.start is not None or clip.end is not None for clip in clips)
  columns = [c for c in _CLIPS if timed or c not in ('start', 'end')]
  rows = []
  for clip in clips:
    time = lambda value: '' if value is None else _number(value)
    cells = {
      'path': clip.path,
      'label': '|'.join(clip.labels),
      'start': time(clip.start),
      'end': time(clip.end),
      'split': clip.split,
    }
    rows.append([cells[column] for column in columns])
  durable.write(folder / 'clips.csv', _csv([columns, *rows]))
  return ['clips.csv']


def _csv(rows: Iterable[Sequence[str]]) -> str:
  content = io.StringIO()
  csv.writer(content, lineterminator='\n').writerows(rows)
  return content.getvalue()


def _number(value: float) -> str:
  return f'{value:.6f}'.rstrip('0').rstrip('.')
