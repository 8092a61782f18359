"""What a training step costs, of each setting and of full tuning.

FLOPs and temporary memory are XLA's counts; times are measured in turns.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from vidpetl import tables
from vidpetl.caching import encoding, reading
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import series, settings
from vidpetl.training import step as step_lib

# What LLVM makes of a program changes neither its FLOPs nor its memory.
_QUICKLY = {
  'xla_backend_optimization_level': 0,
  'xla_llvm_disable_expensive_passes': True,
}
COLUMNS = ('trained', 'FLOPs', 'time', 'temporary memory', 'optimizer memory')


def batch_of(
  task: Any, size: int, kept: encoding.Layout | None = None
) -> dict[str, np.ndarray]:
  """Returns noise in the shape of a training batch.

  Args:
    task: of it.
    size: clips.
    kept: shape and type of each array of a clip that a cache keeps, if it is
      trained on these; see `caching.plan.Part.signature`.
  """
  rng = np.random.default_rng(0)
  if kept:
    noise = {
      name: rng.normal(0, 1, (size, *shape)).astype(kind)
      for name, (shape, kind) in kept.items()
    }
    label = rng.integers(0, task.num_classes, size, np.int32)
    return noise | {'valid': np.ones(size, bool), 'label': label}
  clip = task.train_clip
  side = clip.resolution
  video = rng.integers(0, 256, (size, clip.frames, side, side, 3), np.uint8)
  return {
    'video': video,
    'size': np.full((size, 2), side, np.int32),
    'seed': rng.integers(0, 2**32, (size, 2), np.uint32),
    'index': np.arange(size, dtype=np.int32),
    'valid': np.ones(size, bool),
    'label': rng.integers(0, task.num_classes, size, np.int32),
  }


class Built(NamedTuple):
  """What a training step is made of.

  Attributes:
    create: key -> the state before the first step.
    task: the first one of the config.
    step: (state, batch) -> (state, scalars), to be compiled.
    trained: parameters that train.
    kept: of a clip, if it is trained on kept features; see `batch_of`.
  """

  create: Callable[..., Any]
  task: Any
  step: Callable[..., Any]
  trained: int
  kept: encoding.Layout | None = None


def built(config: Any) -> Built:
  """Returns the training step of a config; needs no data."""
  infos = experiment_lib.infos_from_config(config)
  experiment = experiment_lib.build(config, infos)
  tx, _ = experiment.optimizer(epoch=100.0, total=10_000)
  name, task = next(iter(experiment.tasks.items()))
  cache = reading.of(config, experiment, infos)
  return Built(
    functools.partial(experiment.init_state, tx=tx),
    task,
    functools.partial(
      step_lib.train_step, model=experiment.model, task=task, tx=tx, seed=0
    ),
    experiment.counts()['trained'],
    cache.parts[name, True].signature if cache else None,
  )


def started(made: Built) -> Any:
  """Returns the state before the first step."""
  lowered = jax.jit(made.create).lower(jax.random.key(0))
  return lowered.compile(compiler_options=_quickly())(jax.random.key(0))


def _quickly() -> Mapping[str, Any]:
  """Returns how a program is compiled that runs once, or never."""
  return _QUICKLY if jax.default_backend() == 'cpu' else {}


class Step:
  """A training step, compiled."""

  def __init__(self, config: Any, size: int, runs: bool = True):
    """Compiles.

    Args:
      config: of the run.
      size: of the batch, in clips.
      runs: whether the step will run; if not, its arrays are shapes alone.
    """
    made = built(config)
    key = jax.random.key(0)
    self.state = started(made) if runs else jax.eval_shape(made.create, key)
    self.batch = batch_of(made.task, size, made.kept)
    lowered = jax.jit(made.step, donate_argnums=0).lower(self.state, self.batch)
    self.step = lowered.compile(compiler_options={} if runs else _quickly())
    self.seconds: list[float] = []
    self.trained = made.trained

  def run(self) -> None:
    """Makes a step, and takes its time."""
    began = time.perf_counter()
    self.state, scalars = self.step(self.state, self.batch)
    jax.block_until_ready((self.state, scalars))
    self.seconds.append(time.perf_counter() - began)

  def costs(self) -> tuple[float, ...]:
    """Returns the values of `COLUMNS`."""
    optimizer = sum(
      x.size * x.dtype.itemsize for x in jax.tree.leaves(self.state.opt_state)
    )
    seconds = self.seconds[1:] or self.seconds
    return (
      self.trained,
      self.step.cost_analysis()['flops'],
      statistics.median(seconds) if seconds else math.nan,
      self.step.memory_analysis().temp_size_in_bytes,
      optimizer,
    )


def table(costs: Mapping[str, tuple[float, ...]]) -> str:
  """Returns Markdown; all but the first row as shares of the first."""
  (name, full), *others = costs.items()
  trained, flops, seconds, temporary, optimizer = full
  rows = [
    (
      name,
      f'{trained:,}',
      f'{flops / 1e9:.0f} G',
      f'{seconds:.2f} s',
      f'{temporary / 1e6:.0f} MB',
      f'{optimizer / 1e6:.0f} MB',
    )
  ]
  for name, values in others:
    shares = (f'{value / whole:.3f}' for value, whole in zip(values, full))
    rows.append((name, *shares))
  names = ['', *COLUMNS]
  if math.isnan(seconds):
    names, *rows = [
      tuple(cell for name, cell in zip(['', *COLUMNS], row) if name != 'time')
      for row in (names, *rows)
    ]
  return tables.markdown(names, rows)


def measure(
  config: str, over: str, size: int, steps: int, fields: Mapping[str, Any]
) -> dict[str, tuple[float, ...]]:
  """Returns what a step of full tuning and of each setting costs.

  Args:
    config: name or file of the experiment, with shared arguments after a colon.
    over: settings, as of `vidpetl.sweep`.
    size: of the batch, in clips.
    steps: to take the time of; the first of several does not count. With 0,
      steps are compiled for shapes, and no array is made.
    fields: of the config, see `series.load`.
  """
  path, _, shared = config.partition(':')
  compiled = {}
  for setting in settings.parse(f'method=full; {over}'):
    argument = ','.join(filter(None, [shared, setting.argument]))
    own = {**fields, **setting.fields}
    compiled[setting.name] = Step(
      series.load(path, argument, own), size, steps > 0
    )
  for _ in range(steps):
    for step in compiled.values():
      step.run()
  return {name: step.costs() for name, step in compiled.items()}
