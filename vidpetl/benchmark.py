"""Measures how fast clips are decoded here, next to a bare PyAV loop.

  vidpetl benchmark --raw=/data/ava --dataset=ava
  vidpetl benchmark --folder=my_videos --processes=2

Prints clips per second, and per second of processor time, which is per second
and core: medians over the turns, and the median of the ratios of each turn's
two. `vidpetl.data.benchmark` says what is compared. `launch/input_speed.py`
does so for films of several kinds, which it draws.
"""

from __future__ import annotations

import os

from absl import app, flags
from etils import epy

from vidpetl import bounded, cli, ranges

with epy.lazy_imports():
  from vidpetl.data import benchmark, clips, sources


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('raw', None, "A dataset's folder, as downloaded.")
  flags.DEFINE_string('dataset', None, 'Which dataset --raw holds.')
  flags.DEFINE_string('folder', None, 'A folder of class folders.')
  flags.DEFINE_string('split', 'train', 'Which split to read.')
  bounded.define('clips', 64, ranges.Count, 'Clips to decode in each turn.')
  bounded.define('turns', 3, ranges.Count, 'Turns each; the median counts.')
  bounded.define('frames', 32, ranges.Count, 'Frames of a clip.')
  bounded.define('stride', 2, ranges.Positive, 'Frames from one to the next.')
  bounded.define('resolution', 224, ranges.Count, 'Side of the input.')
  bounded.define('workers', os.cpu_count(), ranges.Count, 'Threads.')
  bounded.define(
    'processes', 0, ranges.Natural, 'Of the pipeline, in place of threads.'
  )


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  source = sources.open_source({**_files(args), 'split': args.split})
  options = {
    'frames': args.frames,
    'stride': args.stride,
    'resolution': args.resolution,
    'train': True,
  }
  speeds = benchmark.compare(
    source,
    clips.ClipSpec.of(options, source.info.kind),
    count=args.clips,
    workers=args.workers,
    turns=args.turns,
    processes=args.processes,
  )
  print(benchmark.table(speeds))


def _files(args: flags.FlagValues) -> dict[str, str]:
  """Returns whose films are read, as `sources.open_source` takes it."""
  named = [name for name in ('folder', 'raw', 'dataset') if args[name].value]
  if named == ['folder']:
    return {'source': 'folder', 'path': args.folder}
  if named == ['raw', 'dataset']:
    return {'source': 'raw', 'raw': args.raw, 'dataset': args.dataset}
  raise app.UsageError('give either --folder, or --raw and --dataset')


if __name__ == '__main__':
  cli.run(define_flags, main)
