"""What a config is, made into objects; needs no data and no weights."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from vidpetl import backbones
from vidpetl.backbones import rounded
from vidpetl.data import datasets, examples, held_out, kinds, sources
from vidpetl.experiment import draws, optimizer
from vidpetl.experiment import model as model_lib
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import trainable
from vidpetl.parameters import variables as variables_lib
from vidpetl.petl import adapted, bindings
from vidpetl.tasks import distillation
from vidpetl.tasks import task as task_lib

_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class Experiment:
  """The parts of a run that follow from its config alone.

  Attributes:
    config: of the run.
    tasks: by name, in the config's order.
    model: backbone, what is bound to its sites, and a head per task.
    dtype: of the computation; parameters are float32.
    variables: abstract parameters and statistics.
    group_of: parameter path -> group.
    labels: of each task whose head scores classes, what its outputs mean;
      those that are known.
    kernels: path -> number of output axes, of all that layers multiply by.
    draw: key -> freshly drawn parameters of the backbone and every head.
  """

  config: Any
  tasks: Mapping[str, task_lib.Base]
  model: model_lib.Model
  dtype: Any
  variables: Any
  group_of: Mapping[str, str]
  labels: Mapping[str, Mapping[int, str]]
  kernels: Mapping[str, int]
  draw: Callable[[jax.Array], Any]

  def grid(self) -> tuple[int, int, int]:
    """Returns (t, h, w) of the backbone's tokens."""
    video = encoded_clip(next(iter(self.tasks.values())), self.dtype)
    backbone = {
      name: tree['backbone']
      for name, tree in self.variables.items()
      if 'backbone' in tree  # Statistics may be those of heads alone.
    }
    features = jax.eval_shape(
      lambda variables, video: (
        self.model.backbone.apply(variables, video, train=False).grid
      ),
      backbone,
      video,
    )
    return features.shape[1:4]

  def counts(self) -> dict[str, int]:
    """Returns how many parameters there are, and how many of them train."""
    sizes = {
      path: math.prod(x.shape)
      for path, x in trainable.flatten(self.variables['params']).items()
    }
    trained = {
      path: size
      for path, size in sizes.items()
      if self.group_of[path] != trainable.FROZEN
    }
    heads = sum(n for path, n in trained.items() if path.startswith('heads_'))
    return {
      'total': sum(sizes.values()),
      'trained': sum(trained.values()),
      'trained_heads': heads,
    }

  def init_variables(self, key: jax.Array, where: Any = None) -> Any:
    """Returns what `draw` does, by programs that compile sooner.

    Args:
      key: to draw by.
      where: the sharding of each; one device has all of them if None.
    """
    return draws.draw(self.draw, key, where)

  def init_state(
    self, key: jax.Array, tx: optax.GradientTransformation
  ) -> state_lib.TrainState:
    """Returns the state before the first step."""
    return self.state(self.draw(key), tx)

  def state(
    self, variables: Any, tx: optax.GradientTransformation
  ) -> state_lib.TrainState:
    """Returns the state that starts from `variables`."""
    trained, frozen = trainable.partition(variables['params'], self.group_of)
    frozen = self._kept(frozen)
    batch_stats = variables.get(variables_lib.STATISTICS, {})
    own = {
      name: task.new_state(trained, batch_stats)
      for name, task in self.tasks.items()
    }
    return state_lib.TrainState(
      step=jnp.zeros([], jnp.int32),
      params=trained,
      frozen=frozen,
      batch_stats=batch_stats,
      opt_state=tx.init(trained),
      task_state={name: kept for name, kept in own.items() if kept},
    )

  def _kept(self, frozen: Any) -> Any:
    """Returns frozen parameters in `config.frozen_dtype`.

    Kernels of the backbone's own layers alone: all else is small.
    """
    kind = self.config.get('frozen_dtype', 'float32')
    if kind == 'float32':
      return frozen
    flat = trainable.flatten(frozen)
    for path in self.kernels.keys() & flat.keys():
      if path.startswith('heads_'):
        continue
      flat[path] = rounded.keep(flat[path], kind, self.kernels[path])
    return trainable.unflatten(flat)

  def optimizer(
    self, epoch: float, total: int
  ) -> tuple[optax.GradientTransformation, Any]:
    """Returns the optimizer and its step -> learning rate.

    Args:
      epoch: steps in one epoch.
      total: steps in the run.
    """
    rate = optimizer.schedule(self.config.optimizer, epoch, total)
    return optimizer.build(self.config.optimizer, rate, self.group_of), rate


def build(
  config: Any,
  infos: Mapping[str, examples.Info],
  plans: Mapping[str, task_lib.Plan] | None = None,
) -> Experiment:
  """Builds the experiment of a config.

  Args:
    config: see `configs/`.
    infos: of each task's training data; `infos_from_config` where there is
      none at hand.
    plans: what the run does with each task's, where there is a run.

  Raises:
    ValueError: naming the config field that cannot work, and why.
  """
  dtype = _DTYPES[config.dtype]
  plans = plans or dict.fromkeys(config.tasks, task_lib.NO_PLAN)
  tasks = {
    name: distillation.build(name, options.to_dict(), infos[name], plans[name])
    for name, options in config.tasks.items()
  }
  _check_clips(tasks, dtype)
  model = model_lib.Model(
    build_backbone(config, dtype, tasks),
    heads={name: task.head() for name, task in tasks.items()},
    views={name: task.views for name, task in tasks.items()},
    read={name: task.read for name, task in tasks.items()},
  )
  with adapted.layers() as kernels:
    # Traced once, by whichever program draws parameters.
    draw = jax.jit(functools.partial(_init, model, tasks, dtype))
    variables = jax.eval_shape(draw, jax.random.key(0))
  rules = [tuple(rule) for rule in config.trainable]
  group_of = trainable.groups(variables['params'], rules)
  labels = {
    name: dict(infos[name].classes)
    for name, options in config.tasks.items()
    if kinds.load(task_lib.module(options['task']).KIND).has_classes
  }
  return Experiment(
    config, tasks, model, dtype, variables, group_of, labels, kernels, draw
  )


def build_backbone(
  config: Any, dtype: Any, tasks: Mapping[str, task_lib.Base] | None = None
) -> nn.Module:
  """Builds `config.backbone`, with the techniques of `config.petl` bound.

  Args:
    config: of the run.
    dtype: of the computation.
    tasks: whose heads read it.
  """
  backbone = backbones.build(config.backbone.to_dict(), dtype=dtype)
  read = [task.read_blocks() for task in (tasks or {}).values()]
  blocks = sorted(set(itertools.chain.from_iterable(read)))
  return bindings.bind(backbone, config.petl, blocks)


def infos(
  config: Any, opened: Callable[[str], examples.Source] | None = None
) -> dict[str, examples.Info]:
  """Returns what is known of each task's training data.

  Data are opened where they are there and needed, to count classes or to see
  what judges said. Elsewhere classes are those that the config or the named
  dataset has.

  Args:
    config: of the run.
    opened: from a task's name to what it trains on, of a caller that needs it
      as well; `open_training` of the config by default.

  Raises:
    ValueError: if classes cannot be counted.
  """
  opened = opened or functools.partial(open_training, config)
  found = {}
  for name, options in config.tasks.items():
    missing = None
    if not options.get('num_classes') and options.get('train'):
      try:
        found[name] = opened(name).info
        continue
      except FileNotFoundError as error:
        missing = error
    found[name] = _stand_in(name, options, missing)
  return found


def open_training(config: Any, name: str) -> examples.Source:
  """Returns what a task trains on, without what is held out.

  Args:
    config: of the run.
    name: of the task.
  """
  options = config.tasks[name]
  source = sources.open_source(options.train)
  share = config.get('validation', 0.0)
  if not share or not options.get('eval'):
    return source
  return held_out.split(source, share)[0]


def infos_from_config(config: Any) -> dict[str, examples.Info]:
  """Stands in for the data: classes are counted by `num_classes` alone."""
  return {
    name: _stand_in(name, options, None)
    for name, options in config.tasks.items()
  }


def _stand_in(
  name: str, options: Mapping[str, Any], missing: Exception | None
) -> examples.Info:
  """Returns what is known of data that are not there."""
  kind = kinds.load(task_lib.module(options['task']).KIND)
  count = options.get('num_classes') or 0
  dataset = (options.get('train') or {}).get('dataset')
  if kind.has_classes and not count and dataset:
    count = datasets.find(dataset).num_classes
  if kind.has_classes and not count:
    raise ValueError(
      f'config.tasks.{name}.num_classes must be set to describe a run without '
      'its data' + (f': {missing}' if missing else '.')
    )
  return examples.Info(
    name=name,
    split='train',
    kind=kind.name,
    num_classes=count,
    classes={},
    table=kind.no_rows(options),
  )


def model_inputs(
  task: task_lib.Base, batch: int, dtype: Any, *, train: bool
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes of what the model gets of one task."""
  clip = task.train_clip if train else task.eval_clip
  video = (batch, *clip.lead, clip.frames, *(clip.resolution,) * 2, 3)
  shapes = {'video': jax.ShapeDtypeStruct(video, dtype)}
  for name, (shape, kind) in task.head_inputs(clip).items():
    shapes[name] = jax.ShapeDtypeStruct((batch, *shape), kind)
  return shapes


def encoded_clip(
  task: task_lib.Base, dtype: Any, train: bool = True
) -> jax.ShapeDtypeStruct:
  """Returns the shape of one clip [1, t, h, w, 3] that the backbone encodes."""
  inputs = model_inputs(task, 1, dtype, train=train)
  video = jax.eval_shape(lambda x: task.views(x, train), inputs)
  return jax.ShapeDtypeStruct((1, *video.shape[-4:]), video.dtype)


def _init(model, tasks, dtype, key):
  inputs = {
    name: jax.tree.map(
      lambda s: jnp.zeros(s.shape, s.dtype),
      model_inputs(task, 1, dtype, train=True),
    )
    for name, task in tasks.items()
  }
  variables = model.init(key, inputs, method='every_head')
  return variables_lib.make(
    variables['params'], variables.get(variables_lib.STATISTICS, {})
  )


def _check_clips(tasks: Mapping[str, task_lib.Base], dtype: Any) -> None:
  """All tasks share the backbone's position tables, so also its input."""
  shapes = {
    f'config.tasks.{name}.{field}': encoded_clip(task, dtype, train).shape[1:4]
    for name, task in tasks.items()
    for field, train in (('clip', True), ('eval_clip', False))
  }
  if len(set(shapes.values())) > 1:
    raise ValueError(
      'All tasks of a run encode clips of one (frames, height, width), but '
      f'{shapes}.'
    )
