"""What a task is: dataset + head + loss + metric.

A module of this folder is named by `config.tasks.<name>.task`. It has `KIND`,
the kind of annotation that it learns (a module of `vidpetl.data.kinds`), and
`build`, which makes a task of the fields that `Task` has, of its own options,
and, if it asks for them, of the training data's `info` and the run's `plan`.
Nothing here knows a backbone.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

import flax.linen as nn
import jax

from vidpetl import options as options_lib
from vidpetl import parts, ranges, tasks
from vidpetl.backbones import features as features_lib
from vidpetl.data import augment as augment_lib
from vidpetl.data import clip_spec, clips, examples, kinds
from vidpetl.metrics import metric as metric_lib

Batch = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a run does with a task's training data.

  Attributes:
    epochs: of the run.
    examples: how many there are; None where no data are at hand.
    batch: how many are encoded together.
  """

  epochs: float = 1.0
  examples: int | None = None
  batch: int = 1


NO_PLAN = Plan()


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


class Base:
  """What tasks do unless they say otherwise: one clip, nothing of their own."""

  # Whether the loss takes clips that were mixed with others, `data.mixing`.
  MIXES = False

  def head(self) -> nn.Module:
    """Returns the task's own layers."""
    raise NotImplementedError

  def blocks(self) -> tuple[int, ...]:
    """Returns the numbers of the blocks whose outputs the head reads."""
    return ()

  def read_blocks(self) -> tuple[int, ...]:
    """Returns `blocks()`, also of tasks that have an option of that name."""
    return self.blocks()

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

  def metric(self, source: examples.Source) -> metric_lib.Metric:
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(Base):
  """What all tasks are built of; each has its own fields behind these.

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
  num_classes: ranges.Natural

  def __post_init__(self):
    options_lib.hold_fields(self, f'config.tasks.{self.name}')


def build(
  name: str,
  config: Mapping[str, Any],
  info: examples.Info,
  plan: Plan = NO_PLAN,
) -> Base:
  """Builds the task `config.tasks.<name>`.

  Args:
    name: of the task.
    config: its options. `task` names the module; `train` and `eval` (the
      sources) are not read here; `clip` and `eval_clip` are options of
      `ClipSpec.of`, the latter on top of the former; `augment` of `Augment`;
      `num_classes`, if given, must agree with the data; the rest belongs to
      the task's own `build`.
    info: of its training source.
    plan: of the run.

  Raises:
    ValueError: naming the field that is unknown or contradicts the data.
  """
  options = {k: v for k, v in config.items() if k not in ('train', 'eval')}
  part = module(options.pop('task'), f'config.tasks.{name}.task')
  where = f'config.tasks.{name}'
  if not kinds.load(part.KIND).accepts(info.kind):
    raise ValueError(
      f'{where}.task is for {part.KIND}, but {info.name} is for {info.kind}.'
    )
  num_classes = options.pop('num_classes', None) or info.num_classes
  if info.num_classes != num_classes:
    raise ValueError(
      f'{where}.num_classes is {num_classes}, but '
      f'{info.name}/{info.split} has {info.num_classes} classes.'
    )
  train_clip, eval_clip = clips_of(name, config)
  options = {k: v for k, v in options.items() if k not in _CLIPS}
  augment = dict(options.pop('augment', {}))
  shared = {
    'name': name,
    'train_clip': train_clip,
    'eval_clip': eval_clip,
    'augment': make(augment_lib.Augment, augment, f'{where}.augment'),
    'num_classes': num_classes,
  }
  asked = inspect.signature(part.build).parameters
  given = {'info': info, 'plan': plan}
  shared |= {name: value for name, value in given.items() if name in asked}
  built = make(part.build, {**options, **shared}, where)
  if built.augment.mixes and not built.MIXES:
    raise ValueError(
      f'{where}.augment: mixup and cutmix are for clips with class labels, '
      f'tasks classification and multilabel; {config["task"]} has none to mix.'
    )
  return built


def module(name: str, where: str = 'task') -> ModuleType:
  """Returns the module of a task.

  Args:
    name: as a config has it, e.g. 'quality.core'.
    where: who asks, in the error.

  Raises:
    ValueError: if there is none, with those there are.
  """
  return parts.load(tasks, name, 'KIND', where)


def fitting(options: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a task's options without those that never did anything.

  Once, `clip` had the options of every sampler and kind, whichever was used,
  and `augment` those of crops on the device, which are framing now. Which
  epochs of `quality.tsa` had annotated steps was a number of them; a run that
  has it is over, or began with the 51 of 200 that are its share.
  """
  found = dict(options)
  found.pop('truth_epochs', None)
  augment = found.get('augment', {})
  if augment.get('crop_area') is None:
    idle = ('crop_area', 'crop_ratio')
    found['augment'] = {k: v for k, v in augment.items() if k not in idle}
  for field in ('clip', 'eval_clip'):
    if field in found:
      found[field] = _fitting_clip(found, field)
  return found


def _fitting_clip(options: Mapping[str, Any], field: str) -> dict[str, Any]:
  """Returns `clip` or `eval_clip` of older options; see `fitting`."""
  sampling = {**options.get('clip', {}), **options[field]}.get('sampling')
  kind = module(options['task']).KIND
  found = clip_spec.fitting(options[field], kind, sampling)
  if 'short' in clip_spec.defaults(sampling, kind):
    # Before there was a choice, clips looped.
    found.setdefault('short', 'loop')
  return found


_CLIPS = ('clip', 'eval_clip')


def clips_of(
  name: str, config: Mapping[str, Any]
) -> tuple[clips.ClipSpec, clips.ClipSpec]:
  """Returns how clips are cut in training, and in evaluation.

  What is said of the former holds for the latter, but for options of another
  sampler.

  Args:
    name: of the task.
    config: see `build`.
  """
  where = f'config.tasks.{name}'
  kind = module(config['task'], f'{where}.task').KIND
  clip, eval_clip = (dict(config.get(field, {})) for field in _CLIPS)
  of = clips.ClipSpec.of
  train = of({**clip, 'train': True}, kind, f'{where}.clip')
  inherited = clip_spec.fitting(clip, kind, eval_clip.get('sampling'))
  options = {**inherited, **eval_clip, 'train': False}
  return train, of(options, kind, f'{where}.eval_clip')


def make(cls: Callable[..., Any], values: Mapping[str, Any], where: str) -> Any:
  """Calls `cls` with config values; an unknown one is an error."""
  plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
  return options_lib.call(cls, plain, where)


def clip_protocol(clip: clips.ClipSpec) -> dict[str, Any]:
  """Returns how evaluation clips were cut, in json's types."""
  framing = dataclasses.asdict(clip.framing)
  return {
    'frames': clip.frames,
    'sampling': clip.sampling,
    **dataclasses.asdict(clip.sampler),
    'stride': clip.stride,
    'fps': clip.fps,
    **{k: list(v) if isinstance(v, tuple) else v for k, v in framing.items()},
    'views': list(clip.views),
  }
