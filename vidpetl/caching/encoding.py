"""The program that encodes clips for a cache, and what it depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

# What a jaxpr's outputs depend on; no module of JAX's first page has that.
from jax.interpreters import partial_eval

from vidpetl.backbones import kept
from vidpetl.data import augment, clips, examples
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.parameters import variables as variables_lib

# Of a batch, what each showing of a clip has anew.
ANEW = ('video', 'index', 'seed', 'valid')

Batch = Mapping[str, jax.Array]
Layout = Mapping[str, tuple[tuple[int, ...], np.dtype]]


def program(
  experiment: experiment_lib.Experiment, name: str, train: bool, dtype: str
) -> Callable[[Any, Batch], dict[str, jax.Array]]:
  """Returns (variables, batch of videos) -> what is kept of it, [b, ...] each.

  Args:
    experiment: model and tasks.
    name: of the task.
    train: whether its clips are those of training, by their own seeds.
    dtype: of features that are kept, one of `kept.DTYPES`.
  """
  function = _traced(experiment, name, train, dtype)
  return lambda variables, batch: function(jax.random.key(0), batch, variables)[
    0
  ]


@dataclasses.dataclass(frozen=True)
class Facts:
  """What a program's trace tells.

  Attributes:
    layout: name -> shape without b, and type, of what is kept.
    draws: whether it depends on more than parameters and clip.
    moves: whether statistics of the backbone depend on the clips.
  """

  layout: Layout
  draws: bool
  moves: bool


def facts(
  experiment: experiment_lib.Experiment,
  name: str,
  train: bool,
  dtype: str,
  info: examples.Info,
) -> Facts:
  """Traces a program; nothing is computed.

  Args:
    experiment: see `program`.
    name: see `program`.
    train: see `program`.
    dtype: see `program`.
    info: of the clips' source.
  """
  task = experiment.tasks[name]
  spec = task.train_clip if train else task.eval_clip
  batch = {
    key: jax.ShapeDtypeStruct((1, *shape), kind)
    for key, (shape, kind) in clips.signature(info, spec).items()
  }
  key = jax.eval_shape(lambda: jax.random.key(0))
  closed, (arrays, moved) = jax.make_jaxpr(
    _traced(experiment, name, train, dtype), return_shape=True
  )(key, batch, experiment.variables)
  counts = [len(jax.tree.leaves(x)) for x in (arrays, moved, batch)]
  of = lambda *outputs: _inputs(closed, outputs, counts[:2])
  return Facts(
    {k: (x.shape[1:], np.dtype(x.dtype)) for k, x in arrays.items()},
    draws=of(True, False)[0],
    moves=any(of(False, True)[1 : 1 + counts[2]]),
  )


def _traced(experiment, name, train, dtype):
  """Returns (key, batch, variables) -> (kept arrays, backbone's statistics)."""
  task, model = experiment.tasks[name], experiment.model

  def run(key, batch, variables):
    inputs = augment.preprocess(batch, task.augment, train=train)
    features, moved = model.apply(
      variables,
      inputs,
      name,
      task.digest,
      train,
      method='digest',
      mutable=[variables_lib.STATISTICS],
      rngs={'dropout': key} if train else {},
    )
    arrays = kept.pack(features, dtype)
    arrays |= {k: v for k, v in inputs.items() if k not in ANEW}
    own = moved.get(variables_lib.STATISTICS, {}).get('backbone', {})
    return arrays, own

  return run


def _inputs(closed: Any, used: tuple[bool, bool], counts: list[int]) -> list:
  """Returns which inputs those outputs depend on that are used."""
  outputs = [use for use, n in zip(used, counts) for _ in range(n)]
  _, inputs = partial_eval.dce_jaxpr(closed.jaxpr, outputs)
  return inputs
