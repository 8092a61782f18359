"""How long `vidpetl check` takes for many short clips, at first and again.

  .venv/bin/python launch/check_speed.py --clips=10000 --out=/tmp/many

Draws a few clips of three seconds, 320x240, H.264 with sound left out, and
writes copies that all differ in the encoded bytes (in the note that x264 leaves
of itself), into 20 class folders. Prints the seconds of the whole command
`vidpetl check`, start-up included, and those that its processes computed: with
an empty cache, and twice again.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import av
import numpy as np

DRAWN, CLASSES = 50, 20
FRAMES, FPS, WIDTH, HEIGHT = 75, 25, 320, 240
# The note begins so; what follows may be any text.
MARK = b'x264 - core'


def encoded(seed: int, path: pathlib.Path) -> bytes:
  """Returns a clip of a disc that crosses a picture."""
  random = np.random.default_rng(seed)
  rough = random.integers(0, 255, (HEIGHT // 20, WIDTH // 20, 3), np.uint8)
  back = np.kron(rough, np.ones((20, 20, 1), np.uint8))
  y, x = np.mgrid[:HEIGHT, :WIDTH]
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libx264', rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
    for t in range(FRAMES):
      image = back.copy()
      inside = (x - 4 * t) ** 2 + (y - 120) ** 2 < 1600
      image[inside] = random.integers(0, 255, 3)
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return path.read_bytes()


def draw(out: pathlib.Path, count: int) -> None:
  """Writes <out>/class_<i>/<n>.mp4, all different."""
  out.mkdir(parents=True)
  clips = [encoded(seed, out / 'drawn.mp4') for seed in range(DRAWN)]
  (out / 'drawn.mp4').unlink()
  for number in range(count):
    clip = bytearray(clips[number % DRAWN])
    at = clip.index(MARK)
    clip[at : at + len(MARK)] = f'{number:>{len(MARK)}}'.encode()
    folder = out / f'class_{number % CLASSES:02}'
    folder.mkdir(exist_ok=True)
    (folder / f'{number:06}.mp4').write_bytes(clip)


def seconds(data: pathlib.Path, *options: str) -> tuple[float, float]:
  """Returns how long the command takes, and how long it computes."""
  command = [sys.executable, '-m', 'vidpetl', 'check', str(data), *options]
  begun, before = time.perf_counter(), os.times()
  subprocess.run(
    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
  )
  after = os.times()
  computed = (
    after.children_user
    - before.children_user
    + after.children_system
    - before.children_system
  )
  return time.perf_counter() - begun, computed


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--clips', type=int, default=10_000)
  parser.add_argument('--processes', type=int, default=2)
  parser.add_argument('--out', type=pathlib.Path, default='/tmp/many')
  args = parser.parse_args()
  data, work = args.out / 'clips', args.out / 'work'
  if not data.is_dir():
    draw(data, args.clips)
  shutil.rmtree(work, ignore_errors=True)
  options = (
    f'--cache={work}/cache.sqlite',
    f'--out={work}/check',
    f'--processes={args.processes}',
  )
  for what in ('first', 'second', 'third'):
    wall, computed = seconds(data, *options)
    print(f'{what}: {wall:.2f} s, {computed:.2f} s computed', flush=True)


if __name__ == '__main__':
  main()
