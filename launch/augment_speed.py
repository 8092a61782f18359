"""How long augmentation on the device takes, next to a step of ViT-B.

  .venv/bin/python launch/augment_speed.py

Prints the seconds per clip of `augment.preprocess` without augmentation and
with each kind of it, and their shares of a forward pass and of a training step
of VideoMAE's ViT-B (the gradients of all its weights), measured in the same
run. What a clip's augmentation costs depends on what is drawn for it: seconds
are means over some batches with seeds of their own, each the least of some
repetitions. A step of a frozen backbone takes less than one of all weights:
about two thirds.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import vit
from vidpetl.data import augment

SETTINGS = {
  'none': {},
  'RandAugment (4, 7, 0.5)': {'rand_augment': (4, 7, 0.5)},
  'erasing 0.25': {'erasing': 0.25},
  'mixup 0.8, CutMix 1': {'mixup': 0.8, 'cutmix': 1.0},
  'colour jitter': {'color_jitter': (0.4, 0.4, 0.4, 0.1)},
}
CROP = {'scale_jitter': None, 'box_jitter': 0.0}


def least(run: Callable[[], Any], repeats: int) -> float:
  """Returns the least seconds of some runs."""
  seconds = math.inf
  for _ in range(repeats):
    began = time.perf_counter()
    jax.block_until_ready(run())
    seconds = min(seconds, time.perf_counter() - began)
  return seconds


def batches(shape: tuple[int, ...], count: int) -> list[dict[str, jax.Array]]:
  """Returns batches of noise, [b, t, R, R, 3]."""
  rng = np.random.default_rng(0)
  size, side = shape[0], shape[-2]
  made = [
    {
      'video': rng.integers(0, 256, shape, np.uint8),
      'size': np.full((size, 2), side, np.int32),
      'seed': rng.integers(0, 2**32, (size, 2), np.uint32),
      'valid': np.ones(size, bool),
    }
    for _ in range(count)
  ]
  return jax.tree.map(jnp.asarray, made)


def augmenting(
  shape: tuple[int, ...], count: int, repeats: int
) -> dict[str, float]:
  """Returns the seconds per clip of each setting."""
  made = batches(shape, count)
  seconds = {}
  for name, fields in SETTINGS.items():
    settings = augment.Augment(**CROP, **fields)
    run = functools.partial(augment.preprocess, augment=settings, train=True)
    jax.block_until_ready(run(made[0]))
    total = sum(least(functools.partial(run, x), repeats) for x in made)
    seconds[name] = total / (count * shape[0])
  return seconds


def encoding(
  model: vit.ViT, shape: tuple[int, ...], repeats: int
) -> dict[str, float]:
  """Returns the seconds per clip of a forward pass and of a training step."""
  video = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
  init = functools.partial(model.init, train=False)
  params = jax.jit(init)(jax.random.key(0), video)

  def loss(params, video):
    return jnp.sum(model.apply(params, video, False).summary ** 2)

  forward, step = jax.jit(loss), jax.jit(jax.grad(loss))
  found = {}
  for name, run in (('forward', forward), ('training step', step)):
    run = functools.partial(run, params, video)
    jax.block_until_ready(run())
    seconds = least(run, repeats)
    found[name] = seconds / shape[0]
  return found


def rows(encoded: dict[str, float], augmented: dict[str, float]) -> list[str]:
  """Returns the table."""
  columns = ['augmentation', 'ms per clip', *(f'of a {x}' for x in encoded)]
  lines = ['| ' + ' | '.join(columns) + ' |', '|---' * len(columns) + '|']
  for name, seconds in augmented.items():
    cells = [name, f'{1000 * seconds:.1f}']
    cells += [f'{seconds / whole:.2%}' for whole in encoded.values()]
    lines.append('| ' + ' | '.join(cells) + ' |')
  return lines


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--frames', type=int, default=16)
  parser.add_argument('--size', type=int, default=224)
  parser.add_argument('--batch', type=int, default=4, help='of augmentation')
  parser.add_argument('--clips', type=int, default=1, help='of the ViT')
  parser.add_argument('--batches', type=int, default=6)
  parser.add_argument('--repeats', type=int, default=2)
  args = parser.parse_args()
  clip = args.frames, args.size, args.size, 3
  print(f'{jax.devices()[0].device_kind}; load {os.getloadavg()[0]:.1f}')
  model = vit.build(kind='videomae', variant='B')
  encoded = encoding(model, (args.clips, *clip), args.repeats)
  for name, seconds in encoded.items():
    print(f'{name} of ViT-B: {1000 * seconds:.0f} ms per clip')
  shape = (args.batch, *clip)
  augmented = augmenting(shape, args.batches, args.repeats)
  print('\n' + '\n'.join(rows(encoded, augmented)))
  print(f'\nLoad at the end: {os.getloadavg()[0]:.1f}')


if __name__ == '__main__':
  main()
