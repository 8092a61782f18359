"""What a task is: dataset + head + loss + metric.

A module `vidpetl/tasks/<kind>.py` is named by `config.tasks.<name>.task`. It
has `KIND`, the `Info.kind` of the data that it is for (None for any), and
`build`, which makes a task of the fields that `Base` has, of its own options,
and, if it asks for it, of the training data's `info`. Nothing here knows a
backbone.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import flax.linen as nn
import jax
import numpy as np

from vidpetl.backbones import features as features_lib
from vidpetl.data import augment as augment_lib
from vidpetl.data import clips, examples

Batch = Mapping[str, jax.Array]


class Forward(Protocol):
  """Runs the model of a step with other parameters and clips."""

  def __call__(
    self,
    params: Any,
    batch_stats: Any,
    video: jax.Array,
    inputs: Batch,
    train: bool,
  ) -> tuple[features_lib.Features, Any, Any]:
    """Returns features of `video`, what `read` makes of it, new statistics.

    Args:
      params: in place of those that train; the frozen ones stay.
      batch_stats: statistics of normalisation layers.
      video: clips [b, ..., t, h, w, 3].
      inputs: of the head.
      train: as of the model.
    """


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


@runtime_checkable
class Relative(Protocol):
  """A `Metric` of tasks that score an example against other ones."""

  def compare(
    self, run: Callable[[Mapping[str, Any]], Mapping[str, jax.Array]]
  ) -> None:
    """Compares what `update` was given, once all of it is there.

    Args:
      run: pairs, as numpy arrays of a fixed number of rows -> what
        `Base.compare` makes of them with the parameters in evaluation.
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
  """What tasks do unless they say otherwise: one clip, nothing of their own.

  Attributes:
    name: of the dataset in the config; its parameters live in 'heads_<name>'.
    train_clip: how training clips are cut and sized.
    eval_clip: how evaluation clips are.
    augment: what the device does to a training clip.
    num_classes: outputs of the head, where they are classes.
  """

  name: str
  train_clip: clips.ClipSpec
  eval_clip: clips.ClipSpec
  augment: augment_lib.Augment
  num_classes: int

  def head(self) -> nn.Module:
    """Returns the task's own layers."""
    raise NotImplementedError

  def views(self, inputs: Batch, train: bool) -> jax.Array:
    """Returns the clips that the backbone encodes, [b, ..., t, h, w, 3]."""
    del train
    return inputs['video']

  def read(
    self,
    head: nn.Module,
    features: features_lib.Features,
    inputs: Batch,
    train: bool,
  ) -> Any:
    """Returns what `head` makes of encoded clips: logits [b, ...], mostly."""
    raise NotImplementedError

  def head_inputs(self, clip: clips.ClipSpec) -> dict[str, Any]:
    """Returns name -> (shape without batch, dtype) of what else it is given."""
    del clip
    return {}

  def loss(
    self, outputs: Any, batch: Batch
  ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
    """Returns (sum of losses, number of terms, sums of other scalars).

    Sums, not means: so that gradient accumulation and any split of the batch
    over devices give exactly the gradient of the whole batch.

    Args:
      outputs: what `read` returned.
      batch: inputs, and what `observe` added.
    """
    raise NotImplementedError

  def outputs(self, outputs: Any, batch: Batch) -> dict[str, jax.Array]:
    """Returns what the metric needs of each example, [b, ...] each."""
    raise NotImplementedError

  def metric(self, source: examples.Source) -> Metric:
    """Returns an empty metric for an evaluation of `source`."""
    raise NotImplementedError

  def evaluation_source(
    self, test: examples.Source, train: examples.Source
  ) -> examples.Source:
    """Returns what an evaluation on `test` goes through."""
    del train
    return test

  def resolved(self) -> dict[str, Any]:
    """Returns options that were taken from the training data."""
    return {}

  def compare(self, head: nn.Module, pairs: Any) -> dict[str, jax.Array]:
    """Returns what `head` makes of pairs of encoded clips (`Relative`)."""
    raise NotImplementedError

  def protocol(self) -> dict[str, Any]:
    """Returns what a reader must know to compare the numbers."""
    return clip_protocol(self.eval_clip)

  # What a task keeps itself from step to step: a teacher, a queue. `params` is
  # the part of the parameters that trains; all of this is traced by `jax.jit`.

  def new_state(self, params: Any, batch_stats: Any) -> dict[str, Any]:
    """Returns what it keeps before the first step; {} for nothing.

    Arrays of `params` must be copied: the step gives their memory away.
    """
    del params, batch_stats
    return {}

  def begin_epoch(self, own: Any, params: Any, batch_stats: Any) -> Any:
    """Returns what it keeps at the beginning of each further epoch."""
    del params, batch_stats
    return own

  def begin_step(self, own: Any, params: Any, batch_stats: Any) -> Any:
    """Returns what it keeps at the beginning of a step."""
    del params, batch_stats
    return own

  def observe(
    self, own: Any, inputs: Batch, forward: Forward
  ) -> tuple[Batch, Any]:
    """Looks at a batch before the gradient is taken.

    Args:
      own: what the task keeps.
      inputs: of the model.
      forward: the model with other parameters, without a gradient.

    Returns:
      What else `loss` and `read` are given; what the task keeps from now on.
    """
    del inputs, forward
    return {}, own


def build(name: str, config: Mapping[str, Any], info: examples.Info) -> Base:
  """Builds the task `config.tasks.<name>`.

  Args:
    name: of the task.
    config: its options. `task` names the module; `train` and `eval` (the
      sources) are not read here; `clip` and `eval_clip` are fields of
      `ClipSpec`, the latter on top of the former; `augment` of `Augment`;
      `num_classes`, if given, must agree with the data; `distill`, if given,
      holds the options of `distillation.Distilled`; the rest belongs to the
      task's own `build`.
    info: of its training source.

  Raises:
    ValueError: naming the field that is unknown or contradicts the data.
  """
  options = {k: v for k, v in config.items() if k not in ('train', 'eval')}
  module = importlib.import_module(f'vidpetl.tasks.{options.pop("task")}')
  where = f'config.tasks.{name}'
  distill = options.pop('distill', None)
  if module.KIND not in (None, info.kind):
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
  if 'info' in inspect.signature(module.build).parameters:
    shared['info'] = info
  task = _make(module.build, {**options, **shared}, where)
  if distill is None:
    return task
  distillation = importlib.import_module('vidpetl.tasks.distillation')
  make = functools.partial(distillation.Distilled, task)
  return _make(make, distill, where, 'distill')


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
