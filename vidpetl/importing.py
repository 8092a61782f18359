"""Turns annotations of other tools into vidpetl's own csv files.

    python -m vidpetl.importing boxes.xml --videos=films --out=mine
    python -m vidpetl.importing --from=yolo labels --fps=25 --size=1280x720 \\
      --names=data.yaml --every=1 --out=mine
    python -m vidpetl.importing --from=mmaction2 train_list.txt val_list.txt \\
      --root=videos --names=label_map.txt --out=mine

FILES are files, or folders of them. Boxes come from CVAT, VIA, LabelMe, COCO,
YOLO, MOT or AVA's csv, and become a csv for each split and labels.txt. Lists
of videos come from mmaction2, SlowFast, VideoMAE or TSM, and become clips.csv.
Both become a report, on the terminal and as report.json: what was read, what
was assumed, and what was left out, each with its reason. No video is changed.

Boxes need to know the films: which frame is at which second, and how large the
pictures are. --fps and --size say so, else the annotations, else the videos
below --videos, which are found by their names.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath

from vidpetl import cli, durable
from vidpetl.data import importers, splits
from vidpetl.data.importers import (
  boxes,
  classes,
  clips,
  contract,
  files,
  films,
  output,
  report,
)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command line's flags.

  Args:
    values: where.
  """
  known = ', '.join(importers.names())
  text = functools.partial(flags.DEFINE_string, flag_values=values)
  real = functools.partial(flags.DEFINE_float, flag_values=values)
  several = functools.partial(flags.DEFINE_list, flag_values=values)
  whole = functools.partial(flags.DEFINE_integer, flag_values=values)
  text('from', 'auto', f'Format of FILES: {known}; auto looks at them.')
  text('out', None, 'Folder to write into.', required=True)
  text('videos', '', 'Folder of the films, of which the rest is read.')
  real('fps', None, 'Frames a second of the films.', lower_bound=1e-3)
  text('size', '', 'Of the pictures that were annotated, as 1920x1080.')
  whole('first', None, "Number of a film's first frame.")
  text('film', '', 'Name of the film, where there is one that nothing names.')
  text('pattern', '', 'Regex with (?P<video>…) and (?P<frame>…) of pictures.')
  several(
    'action', [], "What names actions: 'label', attributes, or 'checkboxes'."
  )
  text('person', '', 'Attribute that names the person, if no track does.')
  real('every', 0.0, 'Seconds from keyframe to keyframe; 0 is all of them.')
  text('names', '', 'File of class names, such as labels.txt of an import.')
  text('root', '', 'Folder at which the paths of lists begin.')
  text('split', '', 'All are of this split: train, val or test.')
  real('share', 0.2, 'Of films or clips for val, where no split is named.')


def run(
  paths: Sequence[str],
  out: str,
  *,
  format: str = 'auto',
  videos: str = '',
  options: contract.Options | None = None,
  every: float = 0.0,
  root: str = '',
  split: str = '',
  share: float = 0.2,
) -> dict[str, Any]:
  """Imports annotations; see the module's docstring.

  Args:
    paths: files and folders.
    out: folder to write into.
    format: of `vidpetl.data.importers`, or 'auto'.
    videos: folder of the films.
    options: what is said of the files; `videos` of it is filled in here.
    every: seconds from keyframe to keyframe.
    root: folder at which paths of lists begin.
    split: of all.
    share: for validation.

  Returns:
    The report, as it is written to '<out>/report.json'.

  Raises:
    AnnotationError: with file and line or element, for what is malformed.
    ValueError: for what is not known, or options that do not fit.
    FileNotFoundError: for files and folders that are not there.
  """
  found = files.find(paths)
  name = importers.recognise(found) if format == 'auto' else format
  chosen = importers.find(name)
  lie = films.Videos(videos)
  options = options or contract.Options()
  vocabulary = ()
  if options.names:
    vocabulary = tuple(classes.read(options.names).values())
  options = contract.with_videos(options, lie.names())
  reading = contract.Reading(options)
  taken = _of_format(found, chosen, reading)
  if not any(map(chosen.takes, taken)):
    raise ValueError(f'{found[0].path}: no {chosen.title}')
  chosen.read(taken, reading)
  made: dict[str, Any] = {}
  if not reading.shapes and not reading.clips:
    what = {'boxes': 'box', 'clips': 'video with a label'}[chosen.reads]
    whys = dict.fromkeys(one.why for one in reading.left_out)
    left_out = f'; left out: {"; ".join(whys)}' if whys else ''
    raise ValueError(
      f'{found[0].path}: no {what} in {len(taken)} of {len(found)} files'
      f'{left_out}'
    )
  if reading.shapes:
    made['boxes'] = boxes.assemble(
      reading,
      lie,
      every=every,
      vocabulary=vocabulary,
    )
  if reading.clips:
    placed = clips.located(reading, root, lie)
    placed = clips.with_splits(placed, split, share, reading)
    made['clips'] = clips.taken(placed, reading)
  about = {
    'format': name,
    'title': chosen.title,
    'files': [str(file.path) for file in found],
    'out': str(out),
  }
  return about | _write(made, reading, out, split, share, about)


def _of_format(
  found: Sequence[files.File], format: contract.Format, reading
) -> list[files.File]:
  """Returns the files to read; others in folders are noted."""
  kept = []
  for file in found:
    fits = format.aided_by(file) or (
      format.takes(file) and (file.named or format.recognises(file))
    )
    if fits or file.named:
      kept.append(file)
    else:
      reading.leave_out(str(file.path), 'the file', f'not {format.title}')
  return kept


def _write(
  made: Mapping[str, Any],
  reading: contract.Reading,
  out: str,
  split: str,
  share: float,
  about: Mapping[str, Any],
) -> dict[str, Any]:
  """Writes all files; returns the report."""
  folder = output.clear(out)
  whole, written = dict(about), []
  if 'boxes' in made:
    found = made['boxes']
    with_rows = {n: reading.films[n] for n in found.moments}
    of_film = output.split_of(with_rows, split, share, reading)
    written += output.write_boxes(folder, found, of_film)
    whole['boxes'] = report.of_boxes(found, of_film, reading)
  if 'clips' in made:
    written += output.write_clips(folder, made['clips'])
    whole['clips'] = report.of_clips(made['clips'])
  for kind in made:
    for sentence in report.unseen(whole[kind]['classes']):
      reading.note(sentence)
  whole['assumed'] = reading.notes
  whole['left_out'] = report.left_out(reading.left_out)
  whole['written'] = written
  shown = json.dumps(whole, indent=1, ensure_ascii=False)
  durable.write(folder / output.REPORT, shown)
  return whole


def _size(text: str) -> contract.Size | None:
  """Returns width and height of '1920x1080'."""
  if not text:
    return None
  match = re.fullmatch(r'(\d+)\s*[xX*,]\s*(\d+)', text)
  if not match or not int(match[1]) * int(match[2]):
    raise ValueError(f'--size={text} is not WIDTHxHEIGHT, such as 1920x1080')
  return float(match[1]), float(match[2])


def _pattern(text: str) -> str:
  """Returns a pattern that can be used."""
  try:
    groups = re.compile(text).groupindex
  except re.error as error:
    raise ValueError(f'--pattern={text}: {error}') from None
  if text and 'frame' not in groups:
    raise ValueError(f'--pattern={text} has no group (?P<frame>…)')
  return text


def _split(text: str) -> str:
  """Returns a split as csv files name it."""
  role = splits.role(text)
  if text and role not in files.SPLITS:
    raise ValueError(f'--split={text} is none of train, val, test')
  return role


def from_flags(
  values: flags.FlagValues, paths: Sequence[str]
) -> dict[str, Any]:
  """Imports what a command line names; returns the report.

  Args:
    values: the flags.
    paths: the words behind them.

  Raises:
    As `run` does.
  """
  return run(
    paths,
    values.out,
    format=values['from'].value,
    videos=values.videos,
    options=contract.Options(
      fps=values.fps,
      size=_size(values.size),
      first=values.first,
      film=values.film,
      pattern=_pattern(values.pattern),
      names=values.names,
      action=tuple(values.action),
      person=values.person,
    ),
    every=values.every,
    root=values.root,
    split=_split(values.split),
    share=values.share,
  )


def main(argv: Sequence[str]) -> None:
  """Runs the command line."""
  logging.set_verbosity(logging.WARNING)
  if len(argv) < 2:
    raise app.UsageError('name the FILES to import')
  done = from_flags(flags.FLAGS, argv[1:])
  print(report.shown(done))
  print(_next(done, flags.FLAGS.videos))


def _next(done: Mapping[str, Any], videos: str) -> str:
  """Returns the command that trains on what was written."""
  folder = epath.Path(done['out'])
  written = done['written']
  if 'boxes' not in done:
    several = any('|' in name for name in done['clips']['classes'])
    return (
      f'Train: vidpetl train --workdir=runs/mine '
      f'--config=adapt:data={folder / "clips.csv"}'
      f'{",task=multilabel" * several},…'
    )
  train = folder / ('train.csv' if 'train.csv' in written else written[0])
  other = next((n for n in ('val.csv', 'test.csv') if n in written), '')
  val = f',val={folder / other}' if other else ''
  return (
    f'Train: vidpetl train --workdir=runs/mine --config=adapt:data={train}{val}'
    f',videos={videos or "FILMS"},labelmap={folder / "labels.txt"},…'
  )


if __name__ == '__main__':
  cli.run(define_flags, main)
