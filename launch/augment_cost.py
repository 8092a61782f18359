"""What augmentation takes of a step on a card, by FLOPs and bytes.

  python -m launch.augment_cost [--cards=h100,v5e-1]

Counts FLOPs and accessed bytes of the compiled programs that augment a clip,
as XLA does for this machine's processor: of each operation of RandAugment by
itself, of which (4, 7, 0.5) computes two for a clip on the average (4 drawn,
half of them applied); and of the rest with its resampling (scale jitter),
mirroring and normalisation. Seconds on a card are those of a roofline without
overlap,

  t = bytes / bandwidth + FLOPs of products / (peak / n) + others / (peak / m).

Peak is that of products in bfloat16. The resampling multiplies in float32
without a shortcut: six passes on a TPU, and on a GPU's cores at a fifteenth (an
H100: 67 of 989 TFLOP/s), as all other FLOPs there; a TPU's vector units are
taken to do a fiftieth. A training step of ViT-B is `vidpetl plan`'s estimate,
and, as a bound that no program passes, its FLOPs at the card's peak. What
gathers cost beyond their bytes is not in it.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vidpetl.data import augment, rand_augment
from vidpetl.studies import flops, series
from vidpetl.studies.planning import cards, estimate

_DRAWN, _P = 4, 0.5
# How many times slower than products in bfloat16 exact ones are, and what is no
# product.
_SLOWER = {'gpu': (15, 15), 'tpu': (6, 50)}
_BATCH = 8


class Cost(NamedTuple):
  """Of a clip."""

  products: float
  flops: float
  bytes: float

  def seconds(self, card: cards.Card) -> float:
    """By the roofline."""
    exact, vector = _SLOWER[card.platform]
    slow = exact * self.products + vector * (self.flops - self.products)
    return self.bytes / card.bandwidth + slow / card.products['bfloat16']


def counted(function: Callable[..., Any], *args: jax.Array) -> Cost:
  """Returns what XLA counts of a program."""
  found = jax.jit(function).lower(*args).compile().cost_analysis()
  products = sum(x.flops for x in flops.each_product(function, *args))
  return Cost(products, found.get('flops', 0.0), found['bytes accessed'])


def operations(frames: int, side: int) -> dict[str, Cost]:
  """Returns what each operation of RandAugment costs."""
  clip = jnp.zeros((frames, side, side, 3), jnp.uint8)
  size = jnp.array([side, side], jnp.int32)
  found = {}
  for number, name in enumerate(rand_augment.OPS):
    change = functools.partial(
      rand_augment.apply, op=number, applied=True, argument=jnp.float32(0.5)
    )
    found[name] = counted(change, clip, size)
  return found


def rest(frames: int, side: int) -> Cost:
  """Returns what resampling, mirroring and normalisation cost."""
  batch = {
    'video': jnp.zeros((1, frames, side, side, 3), jnp.uint8),
    'size': jnp.full((1, 2), side, jnp.int32),
    'seed': jnp.zeros((1, 2), jnp.uint32),
    'valid': jnp.ones(1, bool),
  }
  settings = augment.Augment(box_jitter=0.0, dtype='bfloat16')
  change = functools.partial(augment.preprocess, augment=settings, train=True)
  return counted(change, batch)


def step(card: cards.Card) -> dict[str, float]:
  """Returns seconds of a clip in a step of VideoMAE's ViT-B, all trained."""
  fields = {
    'dtype': 'bfloat16',
    'batch_size': _BATCH,
    'tasks.kinetics400.num_classes': 400,
  }
  argument = 'backbone=videomae_b,method=full,data=kinetics400'
  config = series.load('configs/adapt.py', argument, fields)
  plan = estimate.estimate(config, card)
  fastest = sum(plan.flops.values()) / card.products['bfloat16']
  return {'estimate': plan.seconds / _BATCH, 'bound': fastest / _BATCH}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--cards', default='h100,v5e-1')
  parser.add_argument('--frames', type=int, default=16)
  parser.add_argument('--size', type=int, default=224)
  args = parser.parse_args()
  found = operations(args.frames, args.size)
  mean = Cost(*(statistics.mean(x) for x in zip(*found.values())))
  parts = {
    **{f'  {name}': cost for name, cost in found.items()},
    'RandAugment': Cost(*(_DRAWN * _P * x for x in mean)),
    'resampling, mirroring, normalisation': rest(args.frames, args.size),
  }
  whole = [parts[name] for name in parts if not name.startswith(' ')]
  parts['all'] = Cost(*(sum(x) for x in zip(*whole)))
  names = args.cards.split(',')
  steps = {name: step(cards.find(name)) for name in names}
  for name, seconds in steps.items():
    told = ', '.join(f'{k} {1e3 * s:.2f} ms' for k, s in seconds.items())
    print(f'A clip of a step on {name}: {told}')
  columns = ['', 'MFLOP', 'MB', *(f'{n}, us' for n in names)]
  columns += [f'of a step on {n}' for n in names]
  print('\n| ' + ' | '.join(columns) + ' |\n' + '|---' * len(columns) + '|')
  for name, cost in parts.items():
    seconds = [cost.seconds(cards.find(n)) for n in names]
    cells = [name, f'{cost.flops / 1e6:.1f}', f'{cost.bytes / 1e6:.1f}']
    cells += [f'{1e6 * s:.0f}' for s in seconds]
    cells += [
      f'{s / steps[n]["estimate"]:.2%}, {s / steps[n]["bound"]:.2%}'
      for n, s in zip(names, seconds)
    ]
    print('| ' + ' | '.join(cells) + ' |')


if __name__ == '__main__':
  main()
