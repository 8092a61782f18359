"""Says what is odd about data before hours are spent on it.

    vidpetl check my_videos
    vidpetl check clips.csv --val=more.csv
    vidpetl check people.csv --val=people_val.csv --labelmap=actions.txt
    vidpetl check hmdb51_1 --raw=/data/raw
    vidpetl check --config=adapt:data=my_videos,backbone=clip_b16,frames=8
    vidpetl check --records=/records --decode=100

DATA is what `data=` of the config `adapt` takes: a folder of class folders, a
table of clips, performances or keyframes, or a public dataset. Every further
--name=value is an argument of `adapt`, so that its clip is the one that is
checked: --backbone, --frames, --task, --low, …. With --config, any other config
can be checked, all of its tasks.

Every file is read once, on all cores: its header, its first frame, and the
times of all packets. Frames are not decoded, but for the first one. What was
read is kept, so that the second time takes a moment.

It tells apart

    wrong  what would make results wrong: clips of val that are in train, a
           clip with two labels, classes that nothing trains, classes that tell
           left from right in mirrored clips, files that cannot be read, boxes
           outside of the picture, scores that a head cannot say
    note   what a user should know: duplicates, few clips, short clips, frame
           rates that differ, what is left out
    info   facts

and writes into --out

    check.html  all of it, one file that loads nothing
    check.json  the same, for programs
    check.png   training clips as the model gets them, after augmentation

With --records, it says instead whether records are as `vidpetl prepare` made
them: --out of it or a folder in that, whose files are compared with their sums,
and counts with the index. --decode=100 decodes every hundredth video as well.

The exit status is 1 if something is wrong, else 0; that of a mistake in the
command is 2. `vidpetl train` says the same at its start, of what it can look at
in a moment; --config.input.check=off silences it.
"""

from __future__ import annotations

import os

# A check takes no accelerator from a run.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm
from absl import flags, logging
from etils import epath, epy

from vidpetl import cli, durable
from vidpetl.data import splits
from vidpetl.data.survey import (
  cache,
  facts,
  findings,
  opening,
  page,
  reading,
  record,
  report,
)
from vidpetl.data.survey import subject as subject_lib
from vidpetl.recipes import config_flag, named

# Loaded when they are used: they take seconds, and the rest does not.
with epy.lazy_imports():
  from vidpetl.data.records import verify
  from vidpetl.experiment import configure
  from vidpetl.studies import contact_sheet

# Fields of sources that are folders of data.
_FOLDERS = ('path', 'raw', 'videos', 'data_dir')


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('What is to be trained, in place of DATA.')
  flags.DEFINE_string('data', None, 'DATA, by its name.')
  flags.DEFINE_string('out', None, 'Where to write; <DATA>_check if unset.')
  flags.DEFINE_integer(
    'processes', os.cpu_count(), 'Files to read at a time.', lower_bound=1
  )
  flags.DEFINE_integer(
    'sheet', 12, 'Clips of each task on check.png; 0 draws none.', lower_bound=0
  )
  flags.DEFINE_string('records', None, 'Prepared records, in place of DATA.')
  flags.DEFINE_integer(
    'decode', 0, '--records: of how many videos one is decoded; 0 decodes none.'
  )
  flags.DEFINE_string(
    'cache',
    None,
    "Where to keep what was read; ~/.cache/vidpetl/survey.sqlite if unset, '' "
    'keeps nothing.',
  )


def parse(argv: Sequence[str]) -> list[str]:
  """Parses the flags; leaves DATA and the arguments of `adapt`."""
  rest, flags.FLAGS['config'].fields = config_flag.split(argv)
  words = flags.FLAGS(rest, known_only=True)
  return [word for word in words if word != '--']


def config_of(values: flags.FlagValues, words: Sequence[str]) -> Any:
  """Returns the config that the command line describes, and the data's name.

  Args:
    values: the flags.
    words: DATA, and '--name=value' of what `adapt` takes.

  Raises:
    ValueError: unless there is either data or a config; as configs do.
  """
  named_data = [word for word in words if not word.startswith('-')]
  more = [word.lstrip('-') for word in words if word.startswith('-')]
  if values.data is not None:
    named_data.append(values.data)
  if values.config is not None:
    if named_data or more:
      raise ValueError(
        f'--config={values.config} names its data itself; what is meant by '
        f'{" ".join(words) or values.data}?'
      )
    config, name = named.load(values.config), values.config
  elif len(named_data) != 1:
    raise ValueError(
      'give one DATA: a folder of class folders, a table, or a dataset; or '
      '--config' + (f', not {" and ".join(named_data)}' if named_data else '')
    )
  else:
    (name,) = named_data
    if ',' in name:
      raise ValueError(
        f'{name} has a comma, which parts the arguments of a config: give a '
        'link to it that has none'
      )
    # What trains is of no matter, unless it is said; 'full' loads no technique.
    argument = ','.join([f'data={name}', 'method=full', *more])
    config = named.load(f'adapt:{argument}')
  fields = config_flag.fields()
  return (configure.configure(config, fields) if fields else config), name


def check(
  config: Any,
  name: str,
  out: epath.PathLike,
  *,
  processes: int = 1,
  sheet: int = 12,
  cache_path: str = '',
) -> dict[str, Any]:
  """Checks the data of a config; see the module's docstring.

  Args:
    config: of a run; it may be incomplete.
    name: what the page calls the data.
    out: folder.
    processes: how many files to read at a time.
    sheet: clips of each task on the sheet; 0 draws none.
    cache_path: where to keep what was read; '' keeps nothing.

  Returns:
    What check.json holds.

  Raises:
    ValueError, OSError: if the data cannot be opened, or `out` cannot be made.
  """
  subjects = opening.open_config(config)
  folder = _made(out)  # Before the time that reading takes.
  paths = list(dict.fromkeys(p for one in subjects for p in one.paths()))
  # A bar for what takes a moment would only flicker.
  with tqdm.tqdm(
    total=len(paths),
    desc='reading',
    unit='file',
    delay=0.5,
    mininterval=0.5,
  ) as progress:
    records = reading.read_all(
      paths, cache.Cache(cache_path), processes, progress.update
    )
  subjects = [one.with_records(records) for one in subjects]
  found = [f for one in subjects for f in findings.find_all(one)]
  picture, key = None, ''
  if sheet:
    key = _key(config, subjects, sheet)
    picture = _earlier(folder, key)
    if picture is None:
      try:
        picture = _draw(config, subjects, sheet)
      except ValueError as error:
        text = f'a run would refuse this: {str(error).rstrip(".")}'
        found.insert(0, findings.Finding(findings.WRONG, 'refused', text))
  result = facts.result(name, subjects, found)
  result['sheet'] = {'file': 'check.png', 'key': key} if picture else None
  _write(folder, result, picture)
  return result


def _made(out: epath.PathLike) -> epath.Path:
  """Returns a folder, having made it."""
  folder = epath.Path(out)
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise OSError(
      f'{folder}: no such folder can be made ({error.strerror or error}); '
      '--out=FOLDER says where to write'
    ) from None
  return folder


def _key(config, subjects: Sequence[subject_lib.Subject], sheet: int) -> str:
  """Returns a hash of all that a sheet depends on."""
  tasks = {name: dict(task.items()) for name, task in config['tasks'].items()}
  digest = hashlib.blake2b(digest_size=16)
  digest.update(repr((sheet, record.VERSION, config['seed'], tasks)).encode())
  for subject in subjects:
    part = subject.parts[subject_lib.TRAIN]
    digest.update(part.info.fingerprint.encode())
    for file in part.files().values():
      digest.update(file.content.encode())
  return digest.hexdigest()


def _earlier(folder: epath.Path, key: str) -> bytes | None:
  """Returns the sheet that is there, if it would be drawn the same."""
  try:
    there = json.loads((folder / 'check.json').read_text())['sheet']
    if there and there['key'] == key:
      return (folder / there['file']).read_bytes()
  except (OSError, ValueError, KeyError, TypeError):  # none, or another's file
    pass
  return None


def _draw(config, subjects, count: int) -> bytes | None:
  """Draws the sheet, as PNG; None if no clip can be read."""
  sheets = {
    one.name: contact_sheet.read(
      config, one.name, one.parts[subject_lib.TRAIN].source, count
    )
    for one in subjects
  }
  sheets = {name: found for name, found in sheets.items() if found}
  if not sheets:
    return None
  png = io.BytesIO()
  contact_sheet.draw(sheets).save(png, 'PNG', optimize=True)
  return png.getvalue()


def _write(
  folder: epath.Path, result: Mapping[str, Any], picture: bytes | None
) -> None:
  if picture:
    durable.write(folder / 'check.png', picture)
  else:
    (folder / 'check.png').unlink(missing_ok=True)
  text = json.dumps(result, indent=1, ensure_ascii=False)
  durable.write(folder / 'check.json', text + '\n')
  durable.write(folder / 'check.html', page.page(result, picture))


def folder_for(config: Any, name: str, out: str | None) -> epath.Path:
  """Returns where to write: never among the data.

  Raises:
    ValueError: if `out` lies in a folder of data.
  """
  inside = [
    epath.Path(fields[field]).resolve()
    for task in config['tasks'].values()
    for fields in (task.get('train'), task.get('eval'))
    for field in _FOLDERS
    if fields and fields.get(field) and epath.Path(fields[field]).is_dir()
  ]
  amid = lambda path: [f for f in inside if path.resolve().is_relative_to(f)]
  if out:
    path = epath.Path(out)
    if within := amid(path):
      raise ValueError(f'--out={out} lies in the data, {within[0]}')
    return path
  is_path = epath.Path(name).exists()
  stem = epath.Path(name).resolve().stem if is_path else name.partition(':')[0]
  path = epath.Path(f'{epath.Path(stem).stem}_check')
  inside = [_with_other_splits(folder) for folder in inside]
  while within := amid(path):
    path = within[0].parent / path.name
  return path


def _with_other_splits(folder: epath.Path) -> epath.Path:
  """Returns the folder that a split and others lie in, if this is a split's."""
  beside = {splits.role(p.name) for p in folder.parent.iterdir() if p.is_dir()}
  found = beside & set(splits.ROLES)
  is_one = splits.role(folder.name) in found and len(found) > 1
  return folder.parent if is_one else folder


def _check_records(path: str, every: int, more: Sequence[str]) -> int:
  """Prints what is damaged of records; returns the exit status."""
  if more:
    raise ValueError(f'--records={path} is checked alone; what is {more[0]}?')
  status = 0
  for folder in verify.find(path):
    verdict = verify.verify(folder, every)
    print(verdict.text())
    status |= bool(verdict.problems)
  return status


def main(argv: Sequence[str]) -> int:
  """Runs the command line."""
  logging.set_verbosity(logging.ERROR)
  args = flags.FLAGS
  if args.records is not None:
    return _check_records(args.records, args.decode, argv[1:])
  config, name = config_of(args, argv[1:])
  out = folder_for(config, name, args.out)
  where = cache.default_path() if args.cache is None else args.cache
  result = check(
    config,
    name,
    out,
    processes=args.processes,
    sheet=args.sheet,
    cache_path=where,
  )
  print(report.text(result))
  print(f'\n{out / "check.html"}')
  return 1 if result['levels'][findings.WRONG] else 0


if __name__ == '__main__':
  cli.run(define_flags, main, parse)
