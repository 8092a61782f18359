"""Whether memory grows: over steps of a run, films answered, and clips read.

  python -m launch.memory --out=memory [--steps=4000] [--films=2000]
    [--clips=3000] [--processes=2]

A tiny net trains on drawn films, by the command that users have, and saves,
evaluates and logs as it goes; `vidpetl.load('demo:clips')` answers drawn films;
the input pipeline reads clips of them, by threads or by so many processes.
The resident memory of each process is read from outside, after every line of
metrics.jsonl, every answer or every batch, with that of the processes that it
started. Leaves memory.json and memory.svg, and ends with status 1 if one of
them grows.

Memory is flat if the most of the second half is less than 1 % above the most of
the first, for 1,000 steps (or films, or clips). In the first half caches fill,
and allocators take what they keep. What is taken and given back again and
again, as garbage is, counts by its peaks.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator

from absl import app, flags
from etils import epath, epy

from vidpetl import cli

with epy.lazy_imports():
  import matplotlib.figure
  import numpy as np

  from launch.chaos import small

# Share of the memory that may be added in 1,000 steps.
FLAT = 0.01
# Steps from evaluation to evaluation, each with a checkpoint and a picture.
_EVERY = 20
_OWN = re.compile(r'Rss(?:Anon|Shmem):\s+(\d+) kB')
_PAUSE = 0.02  # Seconds between two looks at a process.
_ANSWER = """
import sys, vidpetl
model = vidpetl.load('demo:clips')
films = sys.argv[2:]
for number in range(int(sys.argv[1])):
  model(films[number % len(films)])
  print(number + 1, flush=True)
"""

_READ = """
import sys
from vidpetl.data import clips, pipeline, sources
count, folder, processes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
source = sources.open_source(
  {'source': 'folder', 'path': folder, 'split': 'train'}
)
options = {'frames': 16, 'resolution': 112, 'train': True}
spec = clips.ClipSpec.of(options, source.info.kind)
batches = pipeline.train_batches(
  source, spec, name='x', batch_size=8, seed=0, stop=count // 8, workers=2,
  processes=processes,
)
for number, _ in enumerate(batches):
  print(8 * (number + 1), flush=True)
"""


def resident(process: int) -> float:
  """Returns the resident memory that is a process's own, in MiB.

  Pages of mapped files are none: the system drops and reads them as it likes,
  which would hide what is added.

  Raises:
    OSError: if it has ended.
  """
  found = _OWN.findall(epath.Path(f'/proc/{process}/status').read_text())
  if not found:
    raise ProcessLookupError(f'process {process} has ended')
  return sum(map(int, found)) / 1024


def of_all(process: int) -> float:
  """Returns the resident memory of a process and of those that it started."""
  tasks = epath.Path(f'/proc/{process}/task').iterdir()
  started = ' '.join((task / 'children').read_text() for task in tasks)
  return sum(map(resident, (process, *map(int, started.split()))))


def of_training(out: epath.Path, steps: int) -> list[tuple[int, float]]:
  """Returns (step, MiB) of a run."""
  made = small.config(
    small.films(out),
    every=_EVERY,
    steps=steps,
    log_every=_EVERY // 2,
    checkpoint__every=_EVERY,
  )
  path, workdir = small.write(made, out / 'memory.py'), out / 'run'
  workdir.rmtree(missing_ok=True)
  command = [sys.executable, '-m', 'vidpetl.main']
  command += [f'--config={path}', f'--workdir={workdir}']
  with open(out / 'training.log', 'w') as log:
    process = subprocess.Popen(command, stdout=log, stderr=log)
    found = list(_steps(process, workdir / 'metrics.jsonl'))
  if process.returncode:
    raise RuntimeError(f'The run failed; see {out / "training.log"}')
  return found


def _steps(
  process: subprocess.Popen, path: epath.Path
) -> Iterator[tuple[int, float]]:
  """Yields the memory of a run at each line of its metrics."""
  seen = 0
  while process.poll() is None:
    lines = path.read_text().splitlines() if path.exists() else []
    if len(lines) > seen:
      seen = len(lines)
      try:
        yield json.loads(lines[-1])['step'], resident(process.pid)
      except (json.JSONDecodeError, OSError):
        continue  # Half a line, or a process that has just ended.
    time.sleep(_PAUSE)


def of_answers(out: epath.Path, films: int) -> list[tuple[int, float]]:
  """Returns (films answered, MiB)."""
  folder = small.films(out)
  asked = sorted((folder / 'hmdb51' / 'videos').glob('*/*'))
  asked += sorted((folder / 'ava' / 'videos').glob('*'))
  return _told([sys.executable, '-c', _ANSWER, str(films), *map(str, asked)])


def of_clips(
  out: epath.Path, clips: int, processes: int
) -> list[tuple[int, float]]:
  """Returns (clips read, MiB)."""
  folder = small.films(out) / 'hmdb51' / 'videos'
  words = str(clips), str(folder), str(processes)
  return _told([sys.executable, '-c', _READ, *words])


def _told(command: list[str]) -> list[tuple[int, float]]:
  """Returns (number, MiB) at each number that a command prints."""
  found = []
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
      found.append((int(line), of_all(process.pid)))
  if process.returncode:
    raise RuntimeError('A film was not read.')
  return found


def growth(points: list[tuple[int, float]]) -> dict[str, float]:
  """Returns by how much the highest memory grows.

  Returns:
    'before' and 'after', the most MiB in the first and in the second half;
    'per_1000', the MiB between them, for 1,000 steps.
  """
  half = len(points) // 2
  before, after = (max(m for _, m in p) for p in (points[:half], points[half:]))
  steps = points[-1][0] - points[half][0]
  return {
    'before': before,
    'after': after,
    'per_1000': 1000 * (after - before) / steps,
  }


def draw(found: dict[str, list[tuple[int, float]]], path: epath.Path) -> None:
  """Draws a panel for each."""
  figure = matplotlib.figure.Figure(figsize=(7, 2.6), layout='constrained')
  panels = figure.subplots(1, len(found), squeeze=False)[0]
  for panel, (name, points) in zip(panels, found.items(), strict=True):
    number, memory = np.array(points).T
    panel.plot(number, memory, linewidth=1)
    panel.set(xlabel=name, ylabel='resident memory (MiB)', ylim=(0, None))
    panel.set_title(f'{growth(points)["per_1000"]:+.2f} MiB per 1,000')
    panel.spines[['top', 'right']].set_visible(False)
  figure.savefig(path)


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('out', None, 'Folder for films, run and figure.')
  flags.DEFINE_integer('steps', 4000, 'Of training; 0 for none.')
  flags.DEFINE_integer('films', 2000, 'That are answered; 0 for none.')
  flags.DEFINE_integer('clips', 3000, 'That are read; 0 for none.')
  flags.DEFINE_integer('processes', 0, 'That read clips; 0 for threads.')
  flags.mark_flag_as_required('out')


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if memory grows."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  out = epath.Path(args.out).absolute()
  out.mkdir(parents=True, exist_ok=True)
  found = {}
  if args.steps:
    found['steps'] = of_training(out, args.steps)
  if args.films:
    found['films answered'] = of_answers(out, args.films)
  if args.clips:
    found['clips read'] = of_clips(out, args.clips, args.processes)
  told = {name: growth(points) for name, points in found.items()}
  text = json.dumps({'growth': told, 'points': found}, indent=1)
  (out / 'memory.json').write_text(text + '\n')
  draw(found, out / 'memory.svg')
  for name, each in told.items():
    points = found[name][:: max(1, len(found[name]) // 10)]
    print(', '.join(f'{number}: {mib:.0f}' for number, mib in points))
    print(
      f'{name}: {each["before"]:.0f} MiB at most in the first half, '
      f'{each["after"]:.0f} in the second: {each["per_1000"]:+.1f} per 1,000'
    )
  return int(
    any(each['per_1000'] > FLAT * each['before'] for each in told.values())
  )


if __name__ == '__main__':
  sys.exit(cli.run(define_flags, main))
