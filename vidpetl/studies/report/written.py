"""Where pages go, and the page at the end of a run."""

from __future__ import annotations

import shlex
import warnings

from etils import epath

from vidpetl import durable, mistakes
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import page

FILE = 'report.html'


def write(path: epath.Path, text: str) -> None:
  """Writes a page, as a whole or not at all.

  Raises:
    ValueError: if there is a folder of this name.
  """
  if path.is_dir():
    raise ValueError(f'{path} is a folder: name a file for the page in --out.')
  path.parent.mkdir(parents=True, exist_ok=True)
  durable.write(path, text)


def at_end(workdir: epath.PathLike) -> str:
  """Writes the page of a run that has ended; returns what to say of it.

  A page of the run's results that is there already is left as it is. Whatever
  goes wrong, the run is not lost: a line says so, and what to do.
  """
  folder = epath.Path(workdir)
  if _is_made(folder):
    return f'Report: {folder / FILE}'
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', mistakes.Note)  # The page says it.
      run = Recorded(folder, folder.resolve().name)
      write(folder / FILE, page.of_run(run, patient=False))
  except Exception as error:
    again = f'vidpetl report {shlex.quote(str(folder))}'
    return (
      f'{FILE} was not written ({type(error).__name__}: {error}); try again: '
      f'{again}'
    )
  return f'Report: {folder / FILE}'


def _is_made(folder: epath.Path) -> bool:
  """Whether there is a page, no older than the results that it shows."""
  made, results = folder / FILE, folder / 'results.json'
  if not made.exists() or not results.exists():
    return False
  return made.stat().mtime >= results.stat().mtime
