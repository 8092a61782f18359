"""What runs cost that train together, next to the same runs one by one.

  python launch/group_speed.py --config=vpetl:dataset=hmdb51,demo,init=demo/base
  python launch/group_speed.py --methods=head:8,lora:4 --steps=40

A run is all of it, from the opened data to its results: decoding, steps,
evaluation, checkpoints, the package. Times are CPU seconds of one process, with
one thread of XLA, medians of turns in which a run alone and the runs together
take place one after the other; a first turn, which compiles, does not count.
Prints a table: of a method and so many rates of it, what all cost together over
what one costs, and over what they cost one by one.
"""

from __future__ import annotations

import os

os.environ['XLA_FLAGS'] = ' '.join(
  [
    os.environ.get('XLA_FLAGS', ''),
    '--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1',
  ]
)

import argparse
import pathlib
import statistics
import tempfile
import time

from vidpetl import tables
from vidpetl.studies import series
from vidpetl.training import group, loop

# Fields of a run that is measured and not used.
FIELDS = {
  'page': 'False', 'writers': '()', 'eval_every_epochs': '0',
  'checkpoint.every': '1000', 'optimizer.warmup_epochs': '0',
  'input.check': 'off',
}  # fmt: skip


def configs(config: str, method: str, count: int, steps: int) -> list:
  """Returns the configs of a method at so many rates.

  Args:
    config: name or file of the experiment, with arguments after a colon.
    method: of it.
    count: of rates.
    steps: of each run.
  """
  path, _, shared = config.partition(':')
  argument = ','.join(filter(None, [shared, f'method={method}']))
  fields = {**FIELDS, 'steps': str(steps)}
  rate = series.load(path, argument, fields).optimizer.learning_rate
  return [
    series.load(
      path, argument, {**fields, 'optimizer.learning_rate': rate / (1 + i)}
    )
    for i in range(count)
  ]


def measure(
  config: str, method: str, count: int, steps: int, turns: int
) -> tuple[float, float]:
  """Returns CPU seconds of one run, and of so many that train together."""
  made = configs(config, method, count, steps)
  alone, together = [], []
  for _ in range(turns + 1):
    with tempfile.TemporaryDirectory() as name:
      folder = pathlib.Path(name)
      began = time.process_time()
      loop.run(made[0], str(folder / 'alone'))
      between = time.process_time()
      group.run(
        [
          group.Planned(each, str(folder / str(i)), str(i), {})
          for i, each in enumerate(made)
        ]
      )
      alone.append(between - began)
      together.append(time.process_time() - between)
  return statistics.median(alone[1:]), statistics.median(together[1:])


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--config', default='vpetl:dataset=hmdb51,demo,head=true')
  parser.add_argument('--methods', default='head:8,lora:4,adaptformer:4')
  parser.add_argument('--steps', type=int, default=40)
  parser.add_argument('--turns', type=int, default=3)
  args = parser.parse_args()
  rows = []
  for each in args.methods.split(','):
    method, count = each.split(':')
    one, all_ = measure(args.config, method, int(count), args.steps, args.turns)
    times = f'{one:.1f}', f'{all_:.1f}'
    ratios = f'{all_ / one:.2f}', f'{all_ / (int(count) * one):.2f}'
    rows.append([method, count, *times, *ratios])
    head = ['', 'runs', 'one, CPU s', 'all, CPU s', 'of one', 'of one by one']
    print(tables.markdown(head, rows), flush=True)


if __name__ == '__main__':
  main()
