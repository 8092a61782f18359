"""How fast clips come of films of several kinds, over a bare PyAV loop.

  .venv/bin/python launch/input_speed.py [--kinds=gop12,gop250,...]
    [--workers=1] [--processes=0] [--gil]

Draws what it reads into a folder of its own: films of 340x256 at 30 fps with a
keyframe every 12 or 250 frames, one film with a window around each second (as
AVA's keyframes, in training's order and in an evaluation's), films of a minute
(8 frames spread over each, and 4 test views of 16 frames), folders of jpegs,
and records that `vidpetl prepare` makes of the films. Other clips are 32 frames
of 224 pixels, each second frame.

Prints clips per second and core of the bare loop (`vidpetl.data.benchmark`) and
of the pipeline, the median ratio of turns, and by how much memory grew from the
second turn to the last.

`--processes=2` has processes decode in place of threads; their time counts.

`--gil` tells what share of its time a thread that reads clips holds Python's
lock, by py-spy (`pip install py-spy`), which looks at it 200 times a second:
the looks that find it with the lock over those that find it at work. Threads
give at most the inverse of that share times what one gives.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from etils import epath

from vidpetl.data import (
  benchmark,
  clips,
  pipeline,
  sources,
  tensorflow_start,
)

FPS, WIDTH, HEIGHT = 30, 340, 256
CLIP = {'frames': 32, 'stride': 2, 'resolution': 224}


def frames(count: int, seed: int):
  """Yields pictures [256, 340, 3]: a window that wanders over a blurred one."""
  rng = np.random.default_rng(seed)
  field = np.zeros((2 * HEIGHT, 2 * WIDTH, 3))
  for cells in (4, 16, 64):
    coarse = rng.normal(size=(cells, cells, 3)) / np.sqrt(cells)
    tiles = -(-2 * HEIGHT // cells), -(-2 * WIDTH // cells), 1
    field += np.kron(coarse, np.ones(tiles))[: 2 * HEIGHT, : 2 * WIDTH]
  field = np.clip(128 + 60 * field / field.std(), 0, 255)
  for i in range(count):
    top = int(HEIGHT / 2 * (1 + np.sin(i / 40 + seed)))
    left = int(WIDTH / 2 * (1 + np.cos(i / 55)))
    noise = rng.integers(-4, 5, (HEIGHT, WIDTH, 1))
    part = field[top : top + HEIGHT, left : left + WIDTH] + noise
    yield np.clip(part, 0, 255).astype(np.uint8)


def film(path: epath.Path, count: int, gop: int, seed: int) -> None:
  """Encodes a film in H.264."""
  path.parent.mkdir(parents=True, exist_ok=True)
  options = {'g': str(gop), 'keyint_min': str(gop), 'sc_threshold': '0'}
  options['preset'] = 'veryfast'
  with av.open(os.fspath(path), 'w') as file:
    stream = file.add_stream('libx264', FPS, options=options)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
    for picture in frames(count, seed):
      frame = av.VideoFrame.from_ndarray(picture, 'rgb24')
      file.mux(stream.encode(frame))
    file.mux(stream.encode())


def films(folder: epath.Path, gop: int, count: int) -> dict[str, Any]:
  """Draws films of ten seconds; returns the source of them."""
  for k in range(count):
    film(folder / 'ab'[k % 2] / f'{k}.mp4', 10 * FPS, gop, k)
  return {'source': 'folder', 'path': os.fspath(folder)}


def long_films(folder: epath.Path, count: int) -> dict[str, Any]:
  """Draws a film of a minute, which has several names."""
  film(folder / 'a' / '0.mp4', 60 * FPS, 250, 0)
  (folder / 'b').mkdir()
  for k in range(1, max(count, 2 * benchmark.BATCH_SIZE)):
    os.link(folder / 'a' / '0.mp4', folder / 'ab'[k % 2] / f'{k}.mp4')
  return {'source': 'folder', 'path': os.fspath(folder)}


def jpegs(folder: epath.Path, count: int) -> dict[str, Any]:
  """Draws folders of frames."""
  for k in range(count):
    of = folder / 'ab'[k % 2] / f'{k}'
    of.mkdir(parents=True)
    for i, picture in enumerate(frames(3 * FPS, k)):
      image = av.VideoFrame.from_ndarray(picture, 'rgb24')
      image.save(os.fspath(of / f'img_{i + 1:05d}.jpg'))
  return {'source': 'folder', 'path': os.fspath(folder), 'fps': FPS}


def windows(folder: epath.Path, count: int) -> dict[str, Any]:
  """Draws a film with a person in each second, as AVA's are annotated."""
  film(folder / 'films' / 'a.mp4', (count + 4) * FPS, 250, 0)
  with (folder / 'people.csv').open('w') as file:
    for second in range(2, count + 2):
      csv.writer(file).writerow(['a', second, 0.2, 0.2, 0.6, 0.9, 1, 0])
  return {
    'source': 'ava_csv',
    'videos': os.fspath(folder / 'films'),
    'annotations': os.fspath(folder / 'people.csv'),
  }


def records(folder: epath.Path, of: dict[str, Any]) -> dict[str, Any]:
  """Prepares records of films, by the command."""
  command = [sys.executable, '-m', 'vidpetl.prepare', '--name=drawn']
  command += [f'--source={of["source"]}', f'--path={of["path"]}']
  command += ['--splits=train', f'--out={folder}']
  subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
  return {'source': 'records', 'path': os.fspath(folder), 'dataset': 'drawn'}


KINDS: dict[str, Callable[[epath.Path, int], dict[str, Any]]] = {
  'gop12': lambda at, n: films(at / 'gop12', 12, n),
  'gop250': lambda at, n: films(at / 'gop250', 250, n),
  'windows': lambda at, n: windows(at / 'windows', 8 * n),
  'windows in order': lambda at, n: windows(at / 'order', 8 * n),
  'segments of a minute': lambda at, n: long_films(at / 'segments', n),
  'test views of a minute': lambda at, n: long_films(at / 'views', n),
  'jpegs': lambda at, n: jpegs(at / 'jpegs', n),
  'records': lambda at, n: records(at / 'out', films(at / 'raw', 250, n)),
}

# Of clips of a kind that are cut in another way.
OPTIONS: dict[str, dict[str, Any]] = {
  'windows in order': {'train': False},
  'segments of a minute': {'frames': 8, 'stride': 1, 'sampling': 'segments'},
  'test views of a minute': {'frames': 16, 'views': (4, 1), 'train': False},
}


def opened(kind: str, folder: epath.Path, count: int) -> tuple[Any, Any]:
  """Draws what a kind reads; returns its source, and how clips are cut."""
  source = sources.open_source({**KINDS[kind](folder, count), 'split': 'train'})
  options = {**CLIP, 'train': True, **OPTIONS.get(kind, {})}
  return source, clips.ClipSpec.of(options, source.info.kind)


def memory() -> float:
  """Returns the MiB of this process."""
  with open('/proc/self/statm') as file:
    return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20


def row(kind: str, folder: epath.Path, args: argparse.Namespace) -> str:
  """Measures a kind."""
  source, spec = opened(kind, folder, args.films)
  how = {'count': args.clips, 'workers': args.workers}
  how |= {'processes': args.processes}
  benchmark.compare(source, spec, turns=1, **how)
  before = memory()
  taken = benchmark.compare(source, spec, turns=args.turns, **how)
  bare, ours = benchmark.medians(taken).values()
  return (
    f'| {kind} | {bare[1]:.1f} | {ours[1]:.1f} | {ours[2]:.2f} | '
    f'{memory() - before:+.0f} |'
  )


def held(kind: str, folder: epath.Path, args: argparse.Namespace) -> str:
  """Returns a row: the share of its time that a thread holds the lock."""
  spy = shutil.which('py-spy')
  if spy is None:
    raise FileNotFoundError('--gil needs py-spy: pip install py-spy')
  source, spec = opened(kind, folder, args.films)
  read = functools.partial(
    pipeline.train_batches, source, spec, name='benchmark', batch_size=8,
    seed=0, workers=1,
  )  # fmt: skip
  began, ended, looks = threading.Event(), threading.Event(), {}

  tensorflow_start.load()  # It is not what is measured.

  def keep_reading():
    for _ in read():
      began.set()
      if ended.is_set():
        return

  reader = threading.Thread(target=keep_reading)
  reader.start()
  began.wait()
  try:
    for name, more in (('work', []), ('lock', ['--gil'])) * args.turns:
      found = folder / 'looks.txt'
      command = [spy, 'record', '--pid', str(os.getpid()), '--threads']
      command += ['--duration', '5', '--rate', '200', '--format', 'raw']
      command += ['--output', os.fspath(found), *more]
      subprocess.run(command, check=True, capture_output=True)
      lines = found.read_text().splitlines()
      counts = (int(x.rsplit(' ', 1)[1]) for x in lines if 'clips_0' in x)
      looks[name] = looks.get(name, 0) + sum(counts)
  finally:
    ended.set()
    reader.join()
  share = looks['lock'] / looks['work']
  return f'| {kind} | {looks["work"]} | {share:.1%} | {1 / share:.1f} |'


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--kinds', default=','.join(KINDS))
  parser.add_argument('--films', type=int, default=8)
  parser.add_argument('--clips', type=int, default=64)
  parser.add_argument('--turns', type=int, default=5)
  parser.add_argument('--workers', type=int, default=1)
  parser.add_argument('--processes', type=int, default=0)
  parser.add_argument('--gil', action='store_true')
  args = parser.parse_args()
  print(f'load {os.getloadavg()[0]:.1f}')
  with tempfile.TemporaryDirectory() as folder:
    at = epath.Path(folder)
    columns, of_kind = ['kind', 'bare', 'ours', 'ours / bare', 'MiB grown'], row
    if args.gil:
      columns, of_kind = ['kind', 'looks', 'with the lock', 'threads'], held
    print('| ' + ' | '.join(columns) + ' |\n' + '|---' * len(columns) + '|')
    for kind in args.kinds.split(','):
      print(of_kind(kind, at, args), flush=True)


if __name__ == '__main__':
  main()
