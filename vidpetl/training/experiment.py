"""What a config is, made into objects; needs no data and no weights."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from vidpetl.data import examples
from vidpetl.petl import bindings, trainable
from vidpetl.tasks import task as task_lib
from vidpetl.training import model as model_lib
from vidpetl.training import optimizer
from vidpetl.training import state as state_lib

_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class Experiment:
  """The parts of a run that follow from its config alone.

  Attributes:
    config: of the run.
    tasks: by name, in the config's order.
    model: backbone, what is bound to its sites, and a head per task.
    dtype: of the computation; parameters are float32.
    shapes: abstract parameters.
    group_of: parameter path -> group.
  """

  config: Any
  tasks: Mapping[str, task_lib.Task]
  model: model_lib.Model
  dtype: Any
  shapes: Any
  group_of: Mapping[str, str]

  def grid(self) -> tuple[int, int, int]:
    """Returns (t, h, w) of the backbone's tokens."""
    task = next(iter(self.tasks.values()))
    inputs = model_inputs(task, 1, self.dtype, train=False)
    features = jax.eval_shape(
      lambda params, video: (
        self.model.backbone.apply({'params': params}, video, train=False).grid
      ),
      self.shapes['backbone'],
      inputs['video'],
    )
    return features.shape[1:4]

  def counts(self) -> dict[str, int]:
    """Returns how many parameters there are, and how many of them train."""
    sizes = {
      path: math.prod(x.shape)
      for path, x in trainable.flatten(self.shapes).items()
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

  def init_params(self, key: jax.Array) -> Any:
    """Returns freshly drawn parameters of the backbone and every head."""
    return _init(self.model, self.tasks, self.dtype, key)

  def init_state(
    self, key: jax.Array, tx: optax.GradientTransformation
  ) -> state_lib.TrainState:
    """Returns the state before the first step."""
    return self.state(self.init_params(key), tx)

  def state(
    self, params: Any, tx: optax.GradientTransformation
  ) -> state_lib.TrainState:
    """Returns the state that starts from `params`."""
    trained, frozen = trainable.partition(params, self.group_of)
    return state_lib.TrainState(
      step=jnp.zeros([], jnp.int32),
      params=trained,
      frozen=frozen,
      batch_stats={},
      opt_state=tx.init(trained),
      task_state={},
    )

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


def build(config: Any, infos: Mapping[str, examples.Info]) -> Experiment:
  """Builds the experiment of a config.

  Args:
    config: see `configs/`.
    infos: of each task's training data; `infos_from_config` where there is
      none at hand.

  Raises:
    ValueError: naming the config field that cannot work, and why.
  """
  if config.dtype not in _DTYPES:
    raise ValueError(
      f'config.dtype {config.dtype!r} is not one of {sorted(_DTYPES)}.'
    )
  dtype = _DTYPES[config.dtype]
  tasks = {
    name: task_lib.build(name, options.to_dict(), infos[name])
    for name, options in config.tasks.items()
  }
  _check_clips(tasks)
  model = model_lib.Model(
    build_backbone(config, dtype),
    heads={name: task.head() for name, task in tasks.items()},
    read={name: task.read for name, task in tasks.items()},
  )
  shapes = jax.eval_shape(lambda: _init(model, tasks, dtype, jax.random.key(0)))
  rules = [tuple(rule) for rule in config.trainable]
  group_of = trainable.groups(shapes, rules)
  return Experiment(config, tasks, model, dtype, shapes, group_of)


def build_backbone(config: Any, dtype: Any) -> nn.Module:
  """Builds `config.backbone`, with the techniques of `config.petl` bound."""
  options = config.backbone.to_dict()
  name = options.pop('name')
  module = importlib.import_module(f'vidpetl.backbones.{name}')
  return bindings.bind(module.build(dtype=dtype, **options), config.petl)


def infos_from_config(config: Any) -> dict[str, examples.Info]:
  """Stands in for the data: classes are counted by `num_classes` alone."""
  infos = {}
  for name, options in config.tasks.items():
    if not options.get('num_classes'):
      raise ValueError(
        f'config.tasks.{name}.num_classes must be set to describe a run '
        'without its data.'
      )
    module = importlib.import_module(f'vidpetl.tasks.{options.task}')
    infos[name] = examples.Info(
      name=name,
      split='train',
      kind=module.KIND,
      num_classes=options.num_classes,
      classes={},
    )
  return infos


def model_inputs(
  task: task_lib.Task, batch: int, dtype: Any, *, train: bool
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes of what the model gets of one task."""
  clip = task.train_clip if train else task.eval_clip
  size = clip.resolution
  shapes = {
    'video': jax.ShapeDtypeStruct((batch, clip.frames, size, size, 3), dtype)
  }
  for name, (shape, kind) in task.head_inputs(clip).items():
    shapes[name] = jax.ShapeDtypeStruct((batch, *shape), kind)
  return shapes


def _init(model, tasks, dtype, key):
  inputs = {
    name: jax.tree.map(
      lambda s: jnp.zeros(s.shape, s.dtype),
      model_inputs(task, 1, dtype, train=True),
    )
    for name, task in tasks.items()
  }
  variables = model.init(key, inputs, method='every_head')
  if 'batch_stats' in variables:
    raise ValueError(
      'config.backbone keeps statistics of batches (BatchNorm), which a run '
      'does not carry yet; transformers keep none.'
    )
  return variables['params']


def _check_clips(tasks: Mapping[str, task_lib.Task]) -> None:
  """All tasks share the backbone's position tables, so also its input."""
  shapes = {
    f'config.tasks.{name}.{field}': (clip.frames, clip.resolution)
    for name, task in tasks.items()
    for field, clip in (
      ('clip', task.train_clip),
      ('eval_clip', task.eval_clip),
    )
  }
  if len(set(shapes.values())) > 1:
    raise ValueError(
      f'All tasks of a run share one (frames, resolution), but {shapes}.'
    )
