"""What is computed of a package: compiled once per structure and shape.

Packages that differ in their values alone share a program.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp

from vidpetl.backbones import kept
from vidpetl.data import augment
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import variables
from vidpetl.petl import adapted
from vidpetl.tasks.quality import segments as segments_lib

# Of what a task puts out for a clip that lacks one of its segments.
WITHOUT = 'without/'


def structure(config: Mapping[str, Any]) -> str:
  """Returns what a program depends on, as JSON."""
  found = {k: config[k] for k in ('backbone', 'petl', 'dtype', 'tasks')}
  # Names of classes are no part of a program.
  found['tasks'] = {
    k: {'options': v['options'], 'labels': {}}
    for k, v in config['tasks'].items()
  }
  return json.dumps(found, sort_keys=True)


@functools.lru_cache(maxsize=32)
def built(description: str) -> experiment_lib.Experiment:
  return spec_lib.build(json.loads(description))


@functools.lru_cache(maxsize=128)
def of(
  description: str,
  task: str,
  what: str,
  off: tuple[int, ...] = (),
  blocks: tuple[int, ...] = (),
):
  """Returns a jitted (params, batch, scale) -> … of a structure.

  Args:
    description: see `structure`.
    task: whose head and clips.
    what: of `_PROGRAMS`.
    off: numbers of entries of `config.petl` that do nothing.
    blocks: numbers of the blocks that 'features' has.
  """
  experiment = built(description)
  own, make = experiment.tasks[task], _PROGRAMS[what]

  def run(params, batch, scale):
    model = experiment.model
    if blocks:
      model = model.clone(backbone=adapted.tapped(model.backbone, blocks))
    if off:
      model = model.clone(backbone=model.backbone.clone(off=off))
    if scale is not None:
      model = model.clone(backbone=_scaled(model.backbone, scale))
    try:
      return make(model, variables.unflatten(params), own, batch)
    except flax.errors.ScopeParamShapeError as error:
      if not off:
        raise
      entries = experiment.config.petl
      names = ', '.join(entries[i]['technique'] for i in off)
      raise ValueError(
        f'{names} cannot be left out: the head of task {task!r} does not fit '
        'the features that the backbone gives without'
      ) from error

  return jax.jit(run)


@functools.lru_cache(maxsize=128)
def of_rows(description: str, task: str):
  """Returns a jitted (shared, own, index, batch) -> logits [b, ...].

  Row i of the batch is answered with the arrays `own[index[i]]` of the k
  packages, [k, ...] each. The rest of the backbone is shared, and its products
  are those of the whole batch.

  Args:
    description: see `structure`.
    task: whose head and clips.
  """
  experiment = built(description)
  model, head = experiment.model, experiment.tasks[task]

  def one(shared, own, row):
    params = variables.unflatten({**shared, **own})
    return _read(model, params, head, jax.tree.map(lambda x: x[None], row))[0]

  def run(shared, own, index, batch):
    chosen = jax.tree.map(lambda x: x[index], own)
    return jax.vmap(one, (None, 0, 0))(shared, chosen, batch)

  return jax.jit(run)


def _read(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  return model.apply(params, inputs, task.name)


def _outputs(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  return task.outputs(model.apply(params, inputs, task.name), inputs)


def _features(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  video = task.views(inputs, False)
  features, _ = model.apply(
    params, video, inputs, task.name, False, method='on'
  )
  return kept.named(features)


def _without_segments(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  video = task.views(inputs, False)
  features, read = model.apply(
    params, video, inputs, task.name, False, method='on'
  )
  outputs = task.outputs(read, inputs)
  b, s = features.summary.shape[:2]
  if s < 2:
    return outputs
  more = {k: jnp.repeat(v, s, 0) for k, v in inputs.items() if k != 'video'}
  read = model.apply(
    params,
    segments_lib.without_each(features),
    task.name,
    lambda head, features: task.read(head, features, more, False),
    method='head',
  )
  less = task.outputs(read, more)
  return outputs | {
    WITHOUT + name: array.reshape(b, s, *array.shape[1:])
    for name, array in less.items()
  }


def _compare(model, params, task, pairs):
  return model.apply(params, pairs, task.name, task.compare, method='head')


_PROGRAMS = {
  'read': _read,
  'outputs': _outputs,
  'features': _features,
  'without_segments': _without_segments,
  'compare': _compare,
}


def _scaled(backbone, scale):
  if not backbone.bindings:
    raise ValueError('nothing is bound to this backbone that could be scaled')
  return backbone.clone(scale=scale)
