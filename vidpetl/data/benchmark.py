"""How fast clips are decoded here, and what of it the pipeline costs.

    python -m vidpetl.data.benchmark --raw=/data/ava --dataset=ava
    python -m vidpetl.data.benchmark --folder=my_videos

Runs the training pipeline and a bare PyAV loop over the same frames of the same
files in turns, with as many threads each, and prints clips per second of
processor time, which is clips per second and core. The bare loop opens, seeks,
decodes and resizes, and does nothing else.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
import os
import time
from collections.abc import Callable, Sequence

import av
import numpy as np
from absl import app, flags

from vidpetl import bounded, ranges
from vidpetl.data import (
  clips,
  decode,
  examples,
  index,
  pipeline,
  samplers,
  sampling,
  sources,
)

_RAW = flags.DEFINE_string('raw', None, "A dataset's folder, as downloaded.")
_DATASET = flags.DEFINE_string('dataset', None, 'Which dataset --raw holds.')
_FOLDER = flags.DEFINE_string('folder', None, 'A folder of class folders.')
_SPLIT = flags.DEFINE_string('split', 'train', 'Which split to read.')
_CLIPS = bounded.define(
  'clips', 64, ranges.Count, 'Clips to decode in each turn.'
)
_TURNS = bounded.define(
  'turns', 3, ranges.Count, 'Turns each; the best counts.'
)
_FRAMES = bounded.define('frames', 32, ranges.Count, 'Frames of a clip.')
_STRIDE = bounded.define(
  'stride', 2, ranges.Positive, 'Frames from one to the next.'
)
_RESOLUTION = bounded.define(
  'resolution', 224, ranges.Count, 'Side of the input.'
)
_WORKERS = bounded.define('workers', os.cpu_count(), ranges.Count, 'Threads.')

_BATCH_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Plan:
  """What the bare loop reads: one clip of the pipeline's.

  Attributes:
    video: path or encoded bytes.
    times: float64 [t], ascending, on the container's clock.
    size: (height, width) of the resized frames.
  """

  video: str | bytes
  times: np.ndarray
  size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Speed:
  """Seconds that `clips` took: on the clock, and of processor time."""

  clips: int
  wall: float
  cpu: float

  @property
  def per_core(self) -> float:
    """Clips per second of processor time."""
    return self.clips / self.cpu


def make_plans(
  source: examples.Source, spec: clips.ClipSpec, count: int
) -> list[Plan]:
  """Returns what the first `count` clips of the training stream read.

  Raises:
    decode.DecodeError: if one of the videos cannot be read.
  """
  plans = []
  for position in range(count):
    i = int(index.examples(0, 'benchmark', np.array(position), len(source)))
    seed = index.example_seed(0, 'benchmark', position)
    video = source.video(i)
    info = decode.probe(video, source[i].id)
    with decode.Video(video, source[i].id) as opened:
      times = sampling.frame_times(
        opened, source[i], spec, source.info, samplers.Draws(seed)
      )
      times = np.sort(times.ravel()) + opened.origin + opened.tolerance
    size = spec.framing.resized(info.height, info.width)
    plans.append(Plan(video, times, size))
  return plans


def read_bare(plan: Plan) -> list[np.ndarray]:
  """Returns a plan's frames, each [h, w, 3], by PyAV alone."""
  video, out = plan.video, []
  height, width = plan.size

  def take(frame):
    out.append(
      frame.to_ndarray(width=width, height=height, format='rgb24', threads=1)
    )

  with av.open(
    io.BytesIO(video) if isinstance(video, bytes) else video
  ) as file:
    stream = file.streams.video[0]
    stream.thread_type = 'NONE'
    first = max(plan.times[0], 0)
    file.seek(int(first / stream.time_base), stream=stream)
    shown = None
    for frame in file.decode(stream):
      while len(out) < len(plan.times) and (
        shown is not None and plan.times[len(out)] < frame.time
      ):
        take(shown)
      if len(out) == len(plan.times):
        return out
      shown = frame
    while len(out) < len(plan.times):
      take(shown)
  return out


def measure(run: Callable[[], object], count: int) -> Speed:
  """Returns how fast `run` makes `count` clips."""
  wall, cpu = time.perf_counter(), time.process_time()
  run()
  return Speed(count, time.perf_counter() - wall, time.process_time() - cpu)


def compare(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  count: int,
  workers: int,
  turns: int,
) -> dict[str, Speed]:
  """Returns the best of `turns` of the pipeline and of the bare loop."""
  batches = -(-count // _BATCH_SIZE)
  plans = make_plans(source, spec, batches * _BATCH_SIZE)

  def piped(stop):
    for _ in pipeline.train_batches(
      source,
      spec,
      name='benchmark',
      batch_size=_BATCH_SIZE,
      seed=0,
      stop=stop,
      workers=workers,
    ):
      pass

  def bare():
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
      for _ in pool.map(read_bare, plans):
        pass

  piped(1)
  runs = {'bare PyAV loop': bare, 'pipeline': lambda: piped(batches)}
  taken = {name: [] for name in runs}
  for _ in range(turns):
    for name, run in runs.items():
      taken[name].append(measure(run, len(plans)))
  return {
    name: max(speeds, key=lambda speed: speed.per_core)
    for name, speeds in taken.items()
  }


def table(speeds: dict[str, Speed]) -> str:
  """Returns speeds as a table, with what share of the bare loop's each is."""
  header = (
    f'{"":<16}{"clips":>8}{"clips/s":>10}{"clips/s/core":>14}{"ratio":>8}'
  )
  rows = [header]
  reference = next(iter(speeds.values())).per_core
  for name, speed in speeds.items():
    rows.append(
      f'{name:<16}{speed.clips:>8}{speed.clips / speed.wall:>10.1f}'
      f'{speed.per_core:>14.1f}{speed.per_core / reference:>8.2f}'
    )
  return '\n'.join(rows)


def main(argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unknown arguments: {argv[1:]}')
  if (_FOLDER.value is None) == (_RAW.value is None) or (
    (_RAW.value is None) != (_DATASET.value is None)
  ):
    raise app.UsageError('give either --folder, or --raw and --dataset')
  if _FOLDER.value:
    config = {'source': 'folder', 'path': _FOLDER.value}
  else:
    config = {'source': 'raw', 'raw': _RAW.value, 'dataset': _DATASET.value}
  source = sources.open_source({**config, 'split': _SPLIT.value})
  options = {
    'frames': _FRAMES.value,
    'stride': _STRIDE.value,
    'resolution': _RESOLUTION.value,
    'train': True,
  }
  spec = clips.ClipSpec.of(options, source.info.kind)
  speeds = compare(
    source,
    spec,
    count=_CLIPS.value,
    workers=_WORKERS.value,
    turns=_TURNS.value,
  )
  print(table(speeds))


if __name__ == '__main__':
  app.run(main)
