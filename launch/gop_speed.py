"""What records cost by the frames from keyframe to keyframe: time and bytes.

  python -m launch.gop_speed [--gops=12,32,64,250] [--films=3] [--clips=12]

Re-encodes drawn films of ten seconds, 340x256 at 30 fps, as `vidpetl prepare`
does, and reads clips of them alone, at random places, as training does. Prints
the processor time of a clip and the bytes of a film, each over those of the
first GOP.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

from etils import epath

from launch import input_speed
from vidpetl.data import clips, index, sources, transcode

# Frames and strides of published presets; segments are spread over the film.
CUTS = {
  '16 x 1': {'frames': 16, 'stride': 1},
  '32 x 2': {'frames': 32, 'stride': 2},
  '16 x 4': {'frames': 16, 'stride': 4},
  '8 x 8': {'frames': 8, 'stride': 8},
  '8 segments': {'frames': 8, 'sampling': 'segments'},
}


def records(
  at: epath.Path, gops: list[int], films: int
) -> dict[int, tuple[epath.Path, float]]:
  """Returns folder and mean bytes of films of each GOP."""
  made = {}
  for k in range(films):
    raw = at / 'raw' / f'{k}.mp4'
    input_speed.film(raw, 10 * input_speed.FPS, 250, k)
    for gop in gops:
      path = at / f'gop{gop}' / 'ab'[k % 2] / f'{k}.mp4'
      path.parent.mkdir(parents=True, exist_ok=True)
      options = transcode.Options(gop=gop)
      path.write_bytes(transcode.transcode(f'{raw}', options))
  for gop in gops:
    folder = at / f'gop{gop}'
    sizes = [path.stat().length for path in folder.glob('*/*.mp4')]
    made[gop] = folder, statistics.mean(sizes)
  return made


def reader(
  folder: epath.Path, cut: dict[str, object], count: int
) -> Callable[[], None]:
  """Returns what reads clips of a folder, each alone."""
  source = sources.open_source(
    {'source': 'folder', 'path': f'{folder}', 'split': 'train'}
  )
  options = {'resolution': 224, 'train': True, **cut}
  spec = clips.ClipSpec.of(options, source.info.kind)

  def read():
    for k in range(count):
      seed = index.example_seed(0, 'gop', k)
      clips.load(source, k % len(source), spec, seed)

  return read


def milliseconds(
  readers: dict[int, Callable[[], None]], count: int, turns: int
) -> dict[int, list[float]]:
  """Returns the processor time of a clip in each turn."""
  taken = {gop: [] for gop in readers}
  for turn in range(turns + 1):
    for gop, read in readers.items():
      began = time.process_time()
      read()
      if turn:  # In the first, files come into memory.
        taken[gop].append(1000 * (time.process_time() - began) / count)
  return taken


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--gops', default='12,32,64,250')
  parser.add_argument('--films', type=int, default=3)
  parser.add_argument('--clips', type=int, default=12)
  parser.add_argument('--turns', type=int, default=3)
  args = parser.parse_args()
  gops = [int(gop) for gop in args.gops.split(',')]
  with tempfile.TemporaryDirectory() as folder:
    made = records(epath.Path(folder), gops, args.films)
    print('| | ' + ' | '.join(f'GOP {gop}' for gop in gops) + ' |')
    print('|---' * (len(gops) + 1) + '|')
    least = made[gops[0]][1]
    cells = [
      f'{size / 1e6:.2f} MB, {size / least:.2f}' for _, size in made.values()
    ]
    print('| a film | ' + ' | '.join(cells) + ' |')
    for name, cut in CUTS.items():
      readers = {g: reader(at, cut, args.clips) for g, (at, _) in made.items()}
      taken = milliseconds(readers, args.clips, args.turns)
      cells = []
      for gop in gops:
        pairs = zip(taken[gop], taken[gops[0]])
        ratio = statistics.median(a / b for a, b in pairs)
        cells.append(f'{statistics.median(taken[gop]):.1f} ms, {ratio:.2f}')
      print(f'| {name} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
  main()
