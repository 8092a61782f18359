"""Memory and time of a training step on a device, from its traced program.

Memory is what the step is given (parameters, optimizer, batch), and what it has
beside that at the moment at which there is most (`studies.liveness`).

Time is a roofline without overlap,

  t = sum_products flops / (share peak) + moved / bandwidth,

with shares of the data sheet's peak that were measured on an H100: 0.77 of
products with weights, 0.3 of attention's, 0.5 of convolutions. Each operand and
result of a product with weights is moved twice: by it, and by what is computed
element by element on its other side. Communication is not in it.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import Any

import jax

from vidpetl.backbones import devices
from vidpetl.experiment import complete, stacking
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import flops, memory
from vidpetl.studies.planning import cards
from vidpetl.training import step as step_lib

SHARES = {'dense': 0.77, 'batched': 0.3, 'convolution': 0.5}
# How often what a product reads and writes is moved.
_MOVED = 2
_PARTS = ('params', 'gradients', 'optimizer', 'activations', 'worked on')
_OF_CLIPS = ('batch', 'activations', 'worked on')
# The share of a device's memory that a run may take: the rest is the system's.
USABLE = 0.92


@dataclasses.dataclass(frozen=True)
class Estimate:
  """What a step takes of one device.

  Attributes:
    card: the device.
    config: of the run, completed.
    task: whose step it is: the one that takes most.
    memory: bytes by part.
    flops: of a step, by kind of product, of one device.
    moved: bytes of a step.
    trained: parameters.
  """

  card: cards.Card
  config: Any
  task: str
  memory: dict[str, float]
  flops: dict[str, float]
  moved: float
  trained: int

  @property
  def total(self) -> float:
    """Bytes of all parts."""
    return sum(self.memory.values())

  @property
  def fits(self) -> bool:
    return self.total <= USABLE * self.card.memory

  @property
  def seconds(self) -> float:
    """Of a step."""
    peak = self.card.products[self.config.dtype]
    products = sum(n / (SHARES[kind] * peak) for kind, n in self.flops.items())
    return products + self.moved / self.card.bandwidth

  @property
  def largest_batch(self) -> int:
    """The most clips of a step that fit, as long as the rest is the same."""
    per_clip = sum(self.memory[name] for name in _OF_CLIPS)
    per_clip /= self.config.batch_size
    rest = self.total - per_clip * self.config.batch_size
    return int(max(0, (USABLE * self.card.memory - rest) // per_clip))

  def divided(self, parts: int) -> Estimate:
    """Returns what a step takes that works the batch off in so many parts."""
    less = self.config.accumulate / parts
    divided = {k: less * self.memory[k] for k in ('activations', 'worked on')}
    config = self.config.copy_and_resolve_references()
    with config.unlocked():
      config.accumulate = parts
    memory = self.memory | divided
    return dataclasses.replace(self, config=config, memory=memory)


def estimate(config: Any, card: cards.Card) -> Estimate:
  """Returns what a training step of a run takes of a device.

  Args:
    config: of the run.
    card: the device.

  Raises:
    ValueError: naming the config field that cannot work.
  """
  config = complete.complete(config)
  stacking.require(config)
  infos = experiment_lib.infos(config)
  experiment = experiment_lib.build(config, infos)
  tx, _ = experiment.optimizer(epoch=100.0, total=10_000)
  state = jax.eval_shape(
    functools.partial(experiment.init_state, tx=tx), jax.random.key(0)
  )
  with devices.meant(card.meant):
    parts = memory.parts(config, experiment, infos, state, tx, card.count)
  name = max(parts['tasks'], key=parts['tasks'].get)
  task, rows = experiment.tasks[name], config.batch_size // card.count
  batch = memory.batch_of(infos[name], task, config.batch_size)
  update = functools.partial(
    step_lib.train_step, model=experiment.model, task=task, tx=tx, seed=0
  )
  counted = collections.Counter()
  moved = 0
  for product in flops.each_product(update, state, batch):
    counted[product.kind] += product.flops / card.count
    if product.kind != 'batched':
      moved += _MOVED * product.bytes / card.count
  sizes = {name: parts[name] for name in _PARTS}
  whole = sum(x.size * x.dtype.itemsize for x in batch.values())
  sizes['batch'] = whole * rows / config.batch_size
  trained = experiment.counts()['trained']
  return Estimate(card, config, name, sizes, dict(counted), moved, trained)
