"""Co-finetuning against finetuning, in the demo world, over seeds.

  bash launch/demo.sh             # makes the videos and records
  .venv/bin/python launch/study.py --seeds=3 --ways finetune cofinetune

Three ways to spend the same number of AVA examples, of one model that starts
from random parameters:

  finetune      AVA alone
  transfer      the classification datasets first, then AVA
  cofinetune    all at once

Each run is a workdir below demo/study/, is not repeated if it has results, and
resumes if it was stopped. Ends with a table of means and standard deviations.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent
FOLDER = pathlib.Path('demo/study')
CONFIG = 'configs/cofinetune_ava.py:demo'
COLUMNS = ('mAP', 'mAP_head', 'mAP_mid', 'mAP_tail', 'mAP_slowfast')


def train(name: str, seed: int, argument: str = '', *options: str) -> dict:
  """Runs one experiment to its end; returns its results."""
  workdir = FOLDER / f'{name}-{seed}'
  results = ROOT / workdir / 'results.json'
  if not results.exists():
    subprocess.run(
      [
        sys.executable,
        '-m',
        'vidpetl.main',
        f'--config={CONFIG}{argument}',
        f'--workdir={workdir}',
        f'--config.seed={seed}',
        *options,
      ],
      cwd=ROOT,
      check=True,
    )
  return json.loads(results.read_text())


def finetune(seed: int) -> dict:
  return train('finetune', seed, ',finetune')


def transfer(seed: int) -> dict:
  train('pretrain', seed, ',pretrain')
  start = f'--config.init.path={FOLDER}/pretrain-{seed}'
  return train('transfer', seed, ',finetune', start)


def cofinetune(seed: int) -> dict:
  return train('cofinetune', seed)


WAYS = {'finetune': finetune, 'transfer': transfer, 'cofinetune': cofinetune}


def table(found: list[dict[str, dict]]) -> str:
  """Markdown: mean and standard deviation over the seeds, in percent."""
  lines = ['| | ' + ' | '.join(COLUMNS) + ' |', '|---' * 6 + '|']
  for name in found[0]:
    cells = []
    for column in COLUMNS:
      values = [
        100 * results[name]['tasks']['ava']['metrics'][column]
        for results in found
      ]
      spread = np.std(values, ddof=1) if len(values) > 1 else float('nan')
      cells.append(f'{np.mean(values):.1f} ± {spread:.1f}')
    lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument('--ways', nargs='+', choices=WAYS, default=list(WAYS))
  args = parser.parse_args()
  found = [
    {name: WAYS[name](seed) for name in args.ways} for seed in range(args.seeds)
  ]
  print(table(found))


if __name__ == '__main__':
  main()
