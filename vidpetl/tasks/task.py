"""What a task is: dataset + head + loss + metric.

A module `vidpetl/tasks/<kind>.py` is named by `config.tasks.<name>.task`. It
has `KIND`, the `Info.kind` of the data that it is for, and `build`, which makes
a task of the fields that `Task` has and of its own options. Nothing here knows
a backbone.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
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
  where = f'config.tasks.{name}'
  if info.kind != module.KIND:
    raise ValueError(
      f'{where}.task is for {module.KIND}, but {info.name} is for {info.kind}.'
    )
  num_classes = options.pop('num_classes', None) or info.num_classes
  if info.num_classes != num_classes:
    raise ValueError(
      f'{where}.num_classes is {num_classes}, but '
      f'{info.name}/{info.split} has {info.num_classes} classes.'
    )
  clip = dict(options.pop('clip', {}))
  eval_clip = clip | dict(options.pop('eval_clip', {})) | {'train': False}
  augment = dict(options.pop('augment', {}))
  shared = {
    'name': name,
    'train_clip': _make(clips.ClipSpec, clip | {'train': True}, where, 'clip'),
    'eval_clip': _make(clips.ClipSpec, eval_clip, where, 'eval_clip'),
    'augment': _make(augment_lib.Augment, augment, where, 'augment'),
    'num_classes': num_classes,
  }
  return _make(module.build, {**options, **shared}, where)


def _make(cls: Callable[..., Any], values: Mapping[str, Any], *where: str):
  """Calls `cls` with config values; an unknown one is an error."""
  known = sorted(inspect.signature(cls).parameters)
  if unknown := sorted(set(values) - set(known)):
    raise ValueError(
      f'{".".join(where)} has no field {unknown}; it has {known}.'
    )
  return cls(**{k: _plain(v) for k, v in values.items()})


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
