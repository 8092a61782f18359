"""How fast clips are decoded here, and what of it the pipeline costs.

The training pipeline and a bare PyAV loop over the same frames of the same
files run in turns, with as many threads each. The bare loop opens, seeks,
decodes and resizes clip by clip, and does nothing else.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import io
import statistics
import time
from collections.abc import Callable

import av
import numpy as np

from vidpetl.data import (
  clips,
  decoding_processes,
  examples,
  frames,
  index,
  pipeline,
  samplers,
  sampling,
  tensorflow_start,
)

BATCH_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Plan:
  """What the bare loop reads: one clip of the pipeline's.

  Attributes:
    video: returns path or encoded bytes, which it may have to read.
    times: float64 [t], ascending, on the container's clock; of a folder of
      frames, on its own.
    size: (height, width) of the resized frames.
    files: of a folder of frames, that of each time.
  """

  video: Callable[[], str | bytes]
  times: np.ndarray
  size: tuple[int, int]
  files: tuple[str, ...] = ()


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
  """Returns what the first `count` clips of training or evaluation read.

  Raises:
    decode.DecodeError: if one of the videos cannot be read.
  """
  plans = []
  for position in range(count):
    i, name = position % len(source), source.info.name
    if spec.train:
      name = 'benchmark'
      i = int(index.examples(0, name, np.array(position), len(source)))
    seed = index.example_seed(0, name, position)
    plans.append(_plan(source, spec, i, samplers.Draws(seed)))
  return plans


def _plan(
  source: examples.Source, spec: clips.ClipSpec, i: int, draws: samplers.Draws
) -> Plan:
  video = source.video(i)
  with frames.open_video(video, source[i].id, source.info.fps) as opened:
    times = sampling.frame_times(opened, source[i], spec, source.info, draws)
    times = np.sort(times.ravel())
    _, first = next(opened.pictures(times[:1]))
    size = spec.framing.resized(first.height, first.width)
    files = ()
    if isinstance(opened, frames.Frames):
      files = tuple(opened.paths(times))
    else:
      times = times + opened.origin + opened.tolerance
  return Plan(functools.partial(source.video, i), times, size, files)


def read_bare(plan: Plan) -> list[np.ndarray]:
  """Returns a plan's frames, each [h, w, 3], by PyAV alone."""
  height, width = plan.size

  def rgb(frame):
    return frame.to_ndarray(
      width=width, height=height, format='rgb24', threads=1
    )

  return _read_files(plan, rgb) if plan.files else _read_film(plan, rgb)


def _read_files(plan: Plan, rgb: Callable) -> list[np.ndarray]:
  out = []
  for path in plan.files:
    with av.open(path) as file:
      out.append(rgb(next(file.decode(video=0))))
  return out


def _read_film(plan: Plan, rgb: Callable) -> list[np.ndarray]:
  video, out = plan.video(), []
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
        out.append(rgb(shown))
      if len(out) == len(plan.times):
        return out
      shown = frame
    while len(out) < len(plan.times):
      out.append(rgb(shown))
  return out


def measure(run: Callable[[], object], count: int, processes: int = 0) -> Speed:
  """Returns how fast `run` makes `count` clips.

  Args:
    run: makes them.
    count: how many.
    processes: that decode, whose time counts.
  """

  def cpu() -> float:
    others = decoding_processes.crew(processes).seconds if processes else 0.0
    return time.process_time() + others

  wall, began = time.perf_counter(), cpu()
  run()
  return Speed(count, time.perf_counter() - wall, cpu() - began)


def compare(
  source: examples.Source,
  spec: clips.ClipSpec,
  *,
  count: int,
  workers: int,
  turns: int,
  processes: int = 0,
) -> dict[str, list[Speed]]:
  """Returns the bare loop's and the pipeline's speed in each turn.

  The pipeline is that of training or of evaluation, as `spec` says; an
  evaluation sees each example once.
  """
  tensorflow_start.load()  # It is not what is measured.
  batches = -(-count // BATCH_SIZE)
  if not spec.train:
    batches = min(batches, len(source) // BATCH_SIZE)
    source = source.take(np.arange(batches * BATCH_SIZE))
  plans = make_plans(source, spec, batches * BATCH_SIZE)

  def piped():
    options = {'batch_size': BATCH_SIZE, 'workers': workers}
    options |= {'processes': processes}
    if spec.train:
      options |= {'name': 'benchmark', 'seed': 0, 'stop': batches}
    read = pipeline.train_batches if spec.train else pipeline.eval_batches
    for _ in read(source, spec, **options):
      pass

  def bare():
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
      for _ in pool.map(read_bare, plans):
        pass

  runs = {'bare PyAV loop': bare, 'pipeline': piped}
  for run in runs.values():  # Files are in memory from here on.
    run()
  taken = {name: [] for name in runs}
  for _ in range(turns):
    for name, run in runs.items():
      taken[name].append(measure(run, len(plans), processes))
  return taken


def medians(taken: dict[str, list[Speed]]) -> dict[str, tuple[float, ...]]:
  """Returns clips/s, clips/s/core, and the ratio to the first one's, each."""
  first = next(iter(taken.values()))
  return {
    name: (
      statistics.median(speed.clips / speed.wall for speed in speeds),
      statistics.median(speed.per_core for speed in speeds),
      statistics.median(
        speed.per_core / bare.per_core for speed, bare in zip(speeds, first)
      ),
    )
    for name, speeds in taken.items()
  }


def table(taken: dict[str, list[Speed]]) -> str:
  """Returns speeds as a table, with what share of the bare loop's each is."""
  header = (
    f'{"":<16}{"clips":>8}{"clips/s":>10}{"clips/s/core":>14}{"ratio":>8}'
  )
  rows = [header]
  for name, (clock, core, ratio) in medians(taken).items():
    rows.append(
      f'{name:<16}{taken[name][0].clips:>8}{clock:>10.1f}{core:>14.1f}'
      f'{ratio:>8.2f}'
    )
  return '\n'.join(rows)
