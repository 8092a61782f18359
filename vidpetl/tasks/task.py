"""What a task is: dataset + head + loss + metric.

A task module `vidpetl/tasks/<name>.py` has `build(name, options, info)` and is
named by `config.tasks.<name>.task`. Nothing here knows a backbone.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import numpy as np

from vidpetl.backbones import features as features_lib
from vidpetl.data import augment as augment_lib
from vidpetl.data import clips, examples

Batch = Mapping[str, jax.Array]


class Metric(Protocol):
  """Host-side accumulation over one evaluation of one task."""

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds rows of `Task.outputs` and their 'index', without padding."""

  def result(self) -> dict[str, float]:
    """Returns scalars; the first is what 'best' means for this task."""

  def pictures(self) -> dict[str, np.ndarray]:
    """Returns what a person may want to look at, uint8 [h, w, 3] by name."""

  def report(self) -> str:
    """Returns a table for the terminal and for TensorBoard's text tab."""


class Task(Protocol):
  """One dataset's head, loss and metric.

  Attributes:
    name: of the dataset in the config; its parameters live in 'heads_<name>'.
    train_clip: how training clips are cut and sized.
    eval_clip: how evaluation clips are.
    augment: what the device does to a training clip.
    num_classes: outputs of the head.
  """

  name: str
  train_clip: clips.ClipSpec
  eval_clip: clips.ClipSpec
  augment: augment_lib.Augment
  num_classes: int

  def head(self) -> nn.Module:
    """Returns the task's own layers."""

  def read(
    self, head: nn.Module, features: features_lib.Features, inputs: Batch
  ) -> jax.Array:
    """Returns what `head` makes of encoded clips: logits [b, ...]."""

  def head_inputs(self, clip: clips.ClipSpec) -> dict[str, Any]:
    """Returns name -> (shape without batch, dtype) of what else it is given."""

  def loss(
    self, logits: jax.Array, batch: Batch
  ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
    """Returns (sum of losses, number of terms, sums of other scalars).

    Sums, not means: so that gradient accumulation and any split of the batch
    over devices give exactly the gradient of the whole batch.
    """

  def outputs(self, logits: jax.Array, batch: Batch) -> dict[str, jax.Array]:
    """Returns what the metric needs of each example, [b, ...] each."""

  def metric(self, source: examples.Source) -> Metric:
    """Returns an empty metric for an evaluation of `source`."""

  def protocol(self) -> dict[str, Any]:
    """Returns what a reader must know to compare the numbers."""


@dataclasses.dataclass(frozen=True)
class Options:
  """What every task shares, as written under `config.tasks.<name>`."""

  train_clip: clips.ClipSpec
  eval_clip: clips.ClipSpec
  augment: augment_lib.Augment
  num_classes: int
  rest: Mapping[str, Any]


def build(name: str, config: Mapping[str, Any], info: examples.Info) -> Task:
  """Builds the task `config.tasks.<name>`.

  Args:
    name: of the task.
    config: its options. `task` names the module; `train` and `eval` (the
      sources) are not read here; `clip` and `eval_clip` are fields of
      `ClipSpec`, the latter on top of the former; `augment` of `Augment`;
      `num_classes`, if given, must agree with the data; the rest belongs to
      the task's own `build`.
    info: of its training source.

  Raises:
    ValueError: naming the field that is unknown or contradicts the data.
  """
  options = {k: v for k, v in config.items() if k not in ('train', 'eval')}
  module = importlib.import_module(f'vidpetl.tasks.{options.pop("task")}')
  num_classes = options.pop('num_classes', None) or info.num_classes
  if info.num_classes != num_classes:
    raise ValueError(
      f'config.tasks.{name}.num_classes is {num_classes}, but '
      f'{info.name}/{info.split} has {info.num_classes} classes.'
    )
  clip = dict(options.pop('clip', {}))
  eval_clip = clip | dict(options.pop('eval_clip', {}))
  augment = dict(options.pop('augment', {}))
  where = f'config.tasks.{name}'
  shared = Options(
    _fields(clips.ClipSpec, clip | {'train': True}, f'{where}.clip'),
    _fields(clips.ClipSpec, eval_clip | {'train': False}, f'{where}.eval_clip'),
    _fields(augment_lib.Augment, augment, f'{where}.augment'),
    num_classes,
    options,
  )
  return module.build(name, shared, info)


def _fields(cls: Any, values: Mapping[str, Any], where: str) -> Any:
  """Makes a dataclass from config values; an unknown one is an error."""
  known = {f.name for f in dataclasses.fields(cls)}
  if unknown := sorted(set(values) - known):
    raise ValueError(f'{where} has no field {unknown}; it has {sorted(known)}.')
  return cls(**{k: _plain(v) for k, v in values.items()})


def make(
  name: str, options: Options, info: examples.Info, cls: Any, kind: str
) -> Task:
  """Makes the task dataclass `cls` from shared and remaining options.

  Raises:
    ValueError: if the data are of another kind, or a field is unknown.
  """
  where = f'config.tasks.{name}'
  if info.kind != kind:
    raise ValueError(
      f'{where}.task is for {kind}, but {info.name} is for {info.kind}.'
    )
  shared = {
    'name': name,
    'train_clip': options.train_clip,
    'eval_clip': options.eval_clip,
    'augment': options.augment,
    'num_classes': options.num_classes,
  }
  return _fields(cls, {**options.rest, **shared}, where)


def clip_protocol(clip: clips.ClipSpec) -> dict[str, Any]:
  """Returns how evaluation clips were cut."""
  return {
    'frames': clip.frames,
    'stride': clip.stride,
    'fps': clip.fps,
    'resolution': clip.resolution,
    'resize': clip.resize,
    'views': list(clip.views),
  }


def _plain(value: Any) -> Any:
  return tuple(value) if isinstance(value, list) else value
