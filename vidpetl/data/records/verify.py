"""Whether a folder of prepared records is as it was prepared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from etils import epath

from vidpetl import sealed, sha256sums
from vidpetl.data import decode, frames, names
from vidpetl.data.records import records, shards

_INFO = 'dataset_info.json'
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What was found in a folder.

  Attributes:
    folder: '<out>/<name>/<version>'.
    counts: split -> number of its records.
    problems: what is damaged, a sentence each.
    notes: what could not be found out.
  """

  folder: epath.Path
  counts: dict[str, int]
  problems: list[str]
  notes: list[str]

  def text(self) -> str:
    """Returns it for people, with the way out."""
    counted = ', '.join(f'{k} {v} records' for k, v in self.counts.items())
    lines = [f'{self.folder}: {counted or "nothing that can be counted"}']
    lines += [f'  wrong  {problem}' for problem in self.problems]
    lines += [f'  note   {note}' for note in self.notes]
    if self.problems:
      lines += [
        '  mend   copy the folder again; or prepare it again: take away',
        f'         {self.folder} and {self.folder.parent / "report.json"},',
        '         and give the command by which it was made.',
      ]
    else:
      lines += ['  intact']
    return '\n'.join(lines)


def find(path: epath.PathLike) -> list[epath.Path]:
  """Returns the folders of records in one: an --out, a dataset, a version.

  Raises:
    FileNotFoundError: if there are none.
  """
  top = epath.Path(path)
  below = [top, *_folders(top)]
  below += [inner for folder in below[1:] for inner in _folders(folder)]
  found = [folder for folder in below if (folder / _INFO).exists()]
  if not found:
    raise FileNotFoundError(
      f'--records={path}: no prepared records; give the --out of `vidpetl '
      'prepare`, or a folder in it'
    )
  return found


def _folders(path: epath.Path) -> list[epath.Path]:
  if not path.is_dir():
    return []
  return [
    inner
    for inner in sorted(path.iterdir())
    if inner.is_dir() and not inner.name.startswith(('incomplete.', '.'))
  ]


def verify(folder: epath.Path, every: int = 0) -> Verdict:
  """Compares records with their sums, or else reads all of them.

  Args:
    folder: of `find`.
    every: of each so many records, one video is decoded; 0 decodes none.
  """
  found = Verdict(folder, {}, [], [])
  known = _guarded(found, lambda: sha256sums.read(folder))
  damaged = sha256sums.problems(folder, known or {}, known or {})
  found.problems.extend(f'{folder / name} {w}' for name, w in damaged.items())
  if known == {}:
    found.notes.append(
      f'no {sha256sums.FILE}, as of an older version: all records were read, '
      'which shows most damage'
    )
  if (folder.parent / 'staging').exists():
    found.problems.append(
      f'{folder.parent / "staging"} is there: they were not finished'
    )
  builder = _guarded(found, lambda: shards.open_builder(folder))
  for split in builder.info.splits if builder else ():
    # Sums say all there is to know of a shard that is as it was.
    whole = bool(known) and not set(damaged) & set(
      builder.info.splits[split].filenames
    )
    _split(found, split, whole, every)
  return found


def _guarded(found: Verdict, read: Callable) -> object:
  """Returns what is read; None if it cannot be, which is a problem."""
  try:
    return read()
  except (ValueError, OSError) as error:
    if str(error) not in found.problems:
      found.problems.append(str(error))
  return None


def _split(found: Verdict, split: str, whole: bool, every: int) -> None:
  """Looks at a split.

  Args:
    found: gets what is found.
    split: which.
    whole: whether its shards are known to be as they were.
    every: see `verify`.
  """
  data = _guarded(found, lambda: records.videos(found.folder, split))
  if data is None:
    return
  count = found.counts[split] = data.count
  _compare_counts(found, split, len(data.ids))
  bad = {} if whole else _failures(range(count), data.video)
  if every:
    chosen = [i for i in range(0, count, every) if i not in bad]
    bad |= _failures(chosen, lambda i: _decode(data.video(i), data.name(i)))
  # All of a shard that cannot be opened fail for the same reason.
  found.problems.extend(list(dict.fromkeys(bad.values()))[:_SHOWN])
  if len(bad) > _SHOWN:
    found.problems.append(
      f'{split}: {len(bad)} of {count} records are damaged in all'
    )


def _compare_counts(found: Verdict, split: str, indexed: int) -> None:
  count = found.counts[split]
  if indexed != count:
    found.problems.append(
      f'{split}: {count} records, and {indexed} in its index'
    )
  report = found.folder.parent / 'report.json'
  told = _guarded(found, lambda: sealed.read_json(report))
  if told is None or split not in told.get('splits', {}):
    return
  if (reported := told['splits'][split]['records']) != count:
    found.problems.append(
      f'{split}: {count} records, and {reported} in {report}'
    )


def _failures(
  numbers: Iterable[int], read: Callable[[int], object]
) -> dict[int, str]:
  """Returns what reading raises, by the number of the record."""
  found = {}
  for i in numbers:
    try:
      read(i)
    except (decode.DecodeError, ValueError) as error:
      found[i] = names.shown(str(error))
  return found


def _decode(video: bytes, name: str) -> None:
  """Decodes all frames of a video."""
  with frames.open_video(video, name) as film:
    for _ in film.pictures(np.arange(0, film.duration, 1 / film.fps)):
      pass
