"""A small world of one's own: videos and annotations of every dataset's kind.

Articulated figures perform atomic actions before a moving camera, among clutter
and under changing light, and are written out as encoded videos beside
annotation files in each dataset's official layout. So everything that runs on
the real datasets runs on these, without a download.

Many actions are told apart by movement alone, and so is how well something is
done. See `python -m vidpetl.world --sheet=sheet.png` for a picture of
each.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import tqdm
from etils import epath

from vidpetl import durable, parts
from vidpetl.world import datasets as datasets_lib
from vidpetl.world.film import SIZES, Film

# Written into every dataset's folder; the version changes with the pictures.
MARKER = 'world.json'
VERSION = 1

# Each is a module that knows the dataset's classes and files.
DATASETS = parts.names(datasets_lib, 'annotate')
# Below this many videos per process, starting one costs more than it saves.
_WORTH_A_PROCESS = 40


def write(
  out: str | os.PathLike[str],
  *,
  seed: int = 0,
  size: str = 'demo',
  datasets: Sequence[str] = DATASETS,
  processes: int | None = None,
) -> dict[str, epath.Path]:
  """Writes datasets; what is already there is left alone.

  With several processes the calling script needs the usual
  `if __name__ == '__main__':`, since they are spawned.

  Args:
    out: folder that gets one folder per dataset.
    seed: of everything; what comes out depends on nothing else, also not on
      the number of processes.
    size: 'demo', or 'tiny' for tests.
    datasets: some of `DATASETS`.
    processes: how many make videos; None is one per core, or a single one
      where there is little to do.

  Returns:
    Dataset -> its folder.

  Raises:
    ValueError: a dataset or size is unknown, or a folder holds something that
      was not written by this function.
  """
  if size not in SIZES:
    raise ValueError(f'size={size!r} is none of {", ".join(SIZES)}.')
  unknown = [name for name in datasets if name not in DATASETS]
  if unknown:
    raise ValueError(
      f'datasets: {", ".join(unknown)} not in {", ".join(DATASETS)}.'
    )
  state = {'version': VERSION, 'seed': seed, 'size': size}
  folders = {name: epath.Path(out) / name for name in datasets}
  missing = [n for n in datasets if not _begin(folders[n], state)]
  films = {n: _module(n).films(seed, size) for n in missing}
  tasks = [(film, folders[n]) for n in missing for film in films[n]]
  with contextlib.closing(_shoot_all(tasks, processes)) as records:
    for name in missing:
      made = [next(records) for _ in films[name]]
      _module(name).annotate(folders[name], films[name], made)
      durable.sync(folders[name])
      _mark(folders[name], {**state, 'complete': True})
  return folders


def _module(dataset: str) -> Any:
  return parts.load(datasets_lib, dataset, 'annotate', 'dataset')


def _mark(folder: epath.Path, state: dict[str, Any]) -> None:
  text = json.dumps(state) + '\n'
  durable.write(folder / MARKER, text)


def _begin(folder: epath.Path, state: dict[str, Any]) -> bool:
  """Empties a folder of an earlier world, unless it is just what is wanted."""
  marker = folder / MARKER
  if marker.exists():
    if json.loads(marker.read_text()) == {**state, 'complete': True}:
      return True
    folder.rmtree()
  elif folder.exists() and any(folder.iterdir()):
    raise ValueError(
      f'{folder}: not empty and without {MARKER}, so it is not a demo world. '
      'Give another --out.'
    )
  folder.mkdir(parents=True, exist_ok=True)
  _mark(folder, {**state, 'complete': False})
  return False


def _shoot(task: tuple[Film, epath.Path]) -> Any:
  film, folder = task
  return _module(film.dataset).shoot(film, folder)


def _shoot_all(
  tasks: Sequence[tuple[Film, epath.Path]], processes: int | None
) -> Generator[Any, None, None]:
  """Makes all videos; yields what each dataset keeps of them, in order."""
  if processes is None:
    cores = len(os.sched_getaffinity(0))
    processes = min(cores, 1 + len(tasks) // _WORTH_A_PROCESS)
  with tqdm.tqdm(total=len(tasks), unit='video', disable=not tasks) as bar:
    for record in _made(tasks, processes):
      bar.update()
      yield record


def _made(
  tasks: Sequence[tuple[Film, epath.Path]], processes: int
) -> Iterator[Any]:
  """Makes the videos here, or in that many processes."""
  if processes == 1:
    yield from map(_shoot, tasks)
    return
  spawn = multiprocessing.get_context('spawn')
  with concurrent.futures.ProcessPoolExecutor(processes, spawn) as pool:
    yield from pool.map(_shoot, tasks, chunksize=4)
