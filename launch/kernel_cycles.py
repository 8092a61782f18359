"""How long a TPU's kernels of attention take, by their compiler's schedule.

  python launch/kernel_cycles.py [--compiled=v5e-1] [--nets=videomae_b,swin_b]

The compiler reckons cycles for each instruction of a program, but none for
kernels in Pallas. It does write what it schedules of them, one bundle of
instructions a cycle (libtpu 0.0.42.1, `--xla_jf_dump_to`). A kernel of
`vidpetl.backbones.row_kernels` is straight code that runs once for each block
of queries, so that

  ms = bundles x blocks / clock

of as many clips as `--clips`. Nothing waits for memory in it. A backward pass
makes scores and weights anew; of Swin's windows it sums the gradient of a bias,
too. 'share' is that of the peak, of the FLOPs that attention has; a product of
heads of 64 channels takes as long as one of 128, and so does one of 32.

Needs libtpu, and no TPU.
"""

from __future__ import annotations

import argparse
import glob
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

from vidpetl.backbones import swin, whole_rows
from vidpetl.studies.planning import cards
from vidpetl.studies.pods import asking, topologies

COLUMNS = (
  'net', 'rows', 'heads', 'bundles forward', 'backward',
  'ms forward (share, %)', 'backward', 'blocks', 'ms of all', 'backward',
)  # fmt: skip

_SCRIPT = """
import sys
import jax, jax.numpy as jnp
from vidpetl.backbones import whole_rows
from vidpetl.studies.pods import topologies
from vidpetl.training import sharding

name, n, heads, width, biased = sys.argv[1], *map(int, sys.argv[2:])
mesh = sharding.make_mesh(1, 1, topologies.target(name).devices())

def of(shape, where):
  return jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=where(mesh))

q = of((1, 8, n, heads, width), sharding.batch)
bias = [of((heads, n, n), sharding.replicated)] * biased

def loss(q, k, v, *bias):
  y = whole_rows.attend(q, k, v, *bias).astype(jnp.float32)
  return jnp.sum(y**2)

with jax.set_mesh(mesh):
  slopes = jax.grad(loss, tuple(range(3 + biased)))
  jax.jit(slopes).lower(q, q, q, *bias).compile()
"""
_FOUND = re.compile(r'total scheduled bundles:\s*(\d+)')


class Rows(NamedTuple):
  """Rows of tokens that blocks of a net attend to.

  Attributes:
    rows: of a clip.
    tokens: of a row.
    heads: of a token.
    width: channels of a head.
    blocks: how many attend to these.
    biased: whether scores have a bias, which trains.
  """

  rows: int
  tokens: int
  heads: int
  width: int
  blocks: int
  biased: bool = False


def _swin(variant):
  net = swin.VARIANTS[variant]
  stages = enumerate(zip(net['heads'], net['depths']))
  return [
    Rows(128 // 4**i, 392, heads, 32, blocks, True)
    for i, (heads, blocks) in stages
  ]


NETS = {
  'videomae_b': [Rows(1, 1568, 12, 64, 12)],
  'videomae_l': [Rows(1, 1568, 16, 64, 24)],
  'clip_b16': [Rows(8, 197, 12, 64, 12)],
  'clip_l14': [Rows(8, 257, 16, 64, 24)],
  'vivit_b': [Rows(16, 196, 12, 64, 12), Rows(196, 16, 12, 64, 4)],
  'vivit_b_joint': [Rows(1, 3137, 12, 64, 12)],
  'swin_t': _swin('T'),
  'swin_b': _swin('B'),
}


def bundles(name: str, rows: Rows) -> tuple[int, int]:
  """Returns those of a block of queries, forward and backward.

  Raises:
    ValueError: if there is no such slice, libtpu is missing, breaks down, or
      says nothing of a kernel.
  """
  environment = asking.target(name).environment
  with tempfile.TemporaryDirectory() as folder:
    flags = f'--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true'
    shape = rows.tokens, rows.heads, rows.width, int(rows.biased)
    done = subprocess.run(
      [sys.executable, '-c', _SCRIPT, name, *map(str, shape)],
      env={**os.environ, **environment, 'LIBTPU_INIT_ARGS': flags},
      capture_output=True,
      text=True,
    )
    if done.returncode:
      raise ValueError(asking.broken(name, done))
    return _scheduled(folder, 'attend'), _scheduled(folder, 'attend_*backward')


def _scheduled(folder: str, kernel: str) -> int:
  """Returns bundles of all kernels of a name."""
  files = f'{folder}/*-{kernel}.*-schedule-analysis_final_bundles.txt'
  texts = [pathlib.Path(file).read_text() for file in sorted(glob.glob(files))]
  if not texts:
    raise ValueError(f'the compiler has written no schedule of {kernel}')
  return sum(int(_FOUND.search(text)[1]) for text in texts)


def steps(name: str, rows: Rows, clips: int) -> int:
  """Returns how many blocks of queries a block of the net has."""
  n, heads, width = rows.tokens, rows.heads, rows.width
  count = rows.rows * clips
  on = topologies.target(name).devices()[0]
  size = whole_rows.chosen(count, n, n, heads, width, rows.biased, on)
  of_rows = count // size.together * size.parts
  return of_rows * (heads * width // size.channels)


def row(name: str, net: str, rows: Rows, clips: int) -> list[str]:
  """Returns a row of the table."""
  found = bundles(name, rows)
  each_takes = 1e3 * steps(name, rows, clips) / topologies.target(name).clock
  ms = [each_takes * count for count in found]
  flops = 4 * rows.tokens**2 * rows.heads * rows.width * rows.rows * clips
  peak = cards.find(name).products['bfloat16'] / 1e3
  share = (100 * flops * n / (each * peak) for n, each in zip((1, 2), ms))
  return [
    net,
    f'{rows.rows * clips} x {rows.tokens}',
    f'{rows.heads} x {rows.width}',
    *(f'{count:,}' for count in found),
    *(f'{each:.2f} ({part:.0f})' for each, part in zip(ms, share)),
    str(rows.blocks),
    *(f'{each * rows.blocks:.1f}' for each in ms),
  ]


def _line(cells):
  return f'| {" | ".join(cells)} |'


def _print(name: str, nets: list[str], clips: int) -> None:
  for line in (COLUMNS, ['---'] * len(COLUMNS)):
    print(_line(line))
  for net in nets:
    for rows in NETS[net]:
      print(_line(row(name, net, rows, clips)), flush=True)


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--compiled', default='v5e-1', help='a TPU slice')
  parser.add_argument('--clips', type=int, default=8)
  parser.add_argument('--nets', default=','.join(NETS))
  given = parser.parse_args()
  nets = given.nets.split(',')
  if unknown := set(nets) - set(NETS):
    parser.error(f'--nets: {sorted(unknown)} are not among {sorted(NETS)}')
  try:
    _print(given.compiled, nets, given.clips)
  except ValueError as error:
    sys.exit(f'kernel_cycles: {error}')


if __name__ == '__main__':
  main()
