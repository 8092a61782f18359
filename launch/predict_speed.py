"""How fast a film is answered, over decoding it and doing nothing else.

  python launch/predict_speed.py FILM [RUN]

Both are timed in turns, in one process; RUN is 'demo:clips' if left out. Peak
memory is that of the whole process.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import av

import vidpetl

_ROUNDS = 2


def decode(film: str) -> int:
  """Decodes all frames, on one thread, as vidpetl does."""
  with av.open(film) as file:
    stream = file.streams.video[0]
    stream.thread_type = 'NONE'
    return sum(1 for _ in file.decode(stream))


def main(film: str, run: str = 'demo:clips') -> None:
  """Prints seconds of both, their ratio, and peak memory."""
  model = vidpetl.load(run)
  _timed(lambda: model(film))  # Compiles.
  print('| frames | decoding, s | answering, s | ratio | peak, GiB |')
  print('|---|---|---|---|---|')
  for _ in range(_ROUNDS):
    frames, bare = _timed(lambda: decode(film))
    _, answered = _timed(lambda: model(film))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
      f'| {frames} | {bare:.1f} | {answered:.1f} | {bare / answered:.2f} '
      f'| {peak:.2f} |'
    )


def _timed(work: Callable[[], object]) -> tuple[object, float]:
  began = time.perf_counter()
  result = work()
  return result, time.perf_counter() - began


if __name__ == '__main__':
  main(*sys.argv[1:])
