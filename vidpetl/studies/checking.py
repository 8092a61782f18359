"""What is odd about data, as a page, and where that goes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm
from etils import epath, epy

from vidpetl import durable
from vidpetl.data import splits
from vidpetl.data.survey import (
  cache,
  facts,
  findings,
  opening,
  page,
  reading,
  record,
)
from vidpetl.data.survey import subject as subject_lib

# Loaded when it is used: it takes seconds, and the rest does not.
with epy.lazy_imports():
  from vidpetl.studies import contact_sheet

# Fields of sources that are folders of data.
_FOLDERS = ('path', 'raw', 'videos', 'data_dir')


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
