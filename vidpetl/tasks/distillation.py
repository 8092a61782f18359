"""Transfer with self-distillation, around any task and any backbone.

    L = L_task + weight * sum_i |f_t(x_i) - f'_{t-1}(x_i)|^2

f_t is the encoder's clip representation, and f'_{t-1} that of the encoder at
the end of the last epoch; in the first epoch, of the one that training started
from. No gradient passes the teacher, and heads are not distilled.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from vidpetl import options as options_lib
from vidpetl import ranges
from vidpetl.data import examples
from vidpetl.tasks import task as task_lib

REDUCTIONS = ('sum', 'mean')
STATISTICS = ('running', 'batch')


@dataclasses.dataclass(frozen=True)
class Distilled(task_lib.Base):
  """A task whose encoder stays close to what it was an epoch ago.

  The teacher is a copy of what trains of the encoder; what is frozen is the
  same for both. It is kept in the run's state, so that a resumed run goes on
  with the same one.

  Attributes:
    task: what is wrapped.
    weight: lambda.
    reduction: over the features of a clip: 'sum', the squared distance, or
      'mean', that over the number of features. Over clips it is a mean, as
      that of the task's own loss is.
    teacher_statistics: by which the teacher's BatchNorms normalise: the
      'running' ones that it had at the end of its epoch, or those of the
      'batch', by which it computes what the student does as long as both are
      equal.
  """

  task: task_lib.Base
  weight: ranges.Number = 1.0
  reduction: Annotated[str, ranges.OneOf(REDUCTIONS)] = 'sum'
  teacher_statistics: Annotated[str, ranges.OneOf(STATISTICS)] = 'running'

  def __post_init__(self):
    where = f'config.tasks.{self.task.name}.distill'
    options_lib.hold_fields(self, where, 'task')

  def __getattr__(self, name: str) -> Any:
    """Whatever is the wrapped task's own: its name, clips, classes, ..."""
    if name.startswith('__') or name == 'task':
      raise AttributeError(name)
    return getattr(self.task, name)

  def head(self):
    return self.task.head()

  def read_blocks(self):
    return self.task.read_blocks()

  def views(self, inputs, train):
    return self.task.views(inputs, train)

  def digest(self, head, features, inputs):
    return self.task.digest(head, features, inputs)

  def digest_options(self):
    return self.task.digest_options()

  def head_inputs(self, clip):
    return self.task.head_inputs(clip)

  def read(self, head, features, inputs, train):
    outputs = self.task.read(head, features, inputs, train)
    if not train:
      return outputs
    return {'task': outputs, 'summary': features.summary.astype(jnp.float32)}

  def loss(self, outputs, batch):
    """Adds the distance; 'distance' is its mean before the weight."""
    total, terms, scalars = self.task.loss(outputs['task'], batch)
    difference = outputs['summary'] - batch['teacher']
    square = difference**2
    axes = tuple(range(1, square.ndim))
    reduce = jnp.sum if self.reduction == 'sum' else jnp.mean
    valid = batch['valid'].astype(jnp.float32)
    mean = (reduce(square, axes) * valid).sum() / jnp.maximum(valid.sum(), 1.0)
    # The step divides all sums by the number of terms, which need not be that
    # of the clips.
    added = terms * mean
    return (
      total + self.weight * added,
      terms,
      {**scalars, 'task_loss': total, 'distance': added},
    )

  def outputs(self, outputs, batch):
    return self.task.outputs(outputs, batch)

  def metric(self, source):
    return self.task.metric(source)

  def evaluation_source(self, test, train):
    return self.task.evaluation_source(test, train)

  def resolved(self):
    return self.task.resolved()

  def compare(self, head, pairs):
    return self.task.compare(head, pairs)

  def protocol(self):
    return self.task.protocol()

  def new_state(self, params, batch_stats):
    inner = self.task.new_state(params, batch_stats)
    return {'task': inner, 'teacher': self._teacher(params, batch_stats)}

  def begin_epoch(self, own, params, batch_stats):
    inner = self.task.begin_epoch(own['task'], params, batch_stats)
    return {'task': inner, 'teacher': self._teacher(params, batch_stats)}

  def begin_step(self, own, params, batch_stats):
    inner = self.task.begin_step(own['task'], params, batch_stats)
    return {**own, 'task': inner}

  def observe(self, own, inputs, forward):

    def forward_inner(*args):
      features, outputs, stats = forward(*args)
      train = args[-1]
      return features, outputs['task'] if train else outputs, stats

    seen, inner = self.task.observe(own['task'], inputs, forward_inner)
    teacher = own['teacher']
    features, *_ = forward(
      teacher['params'],
      teacher['batch_stats'],
      self.task.views(inputs, True),
      {**inputs, **seen},
      self.teacher_statistics == 'batch',
    )
    summary = features.summary.astype(jnp.float32)
    return {**seen, 'teacher': summary}, {**own, 'task': inner}

  def _teacher(self, params, batch_stats):
    """Copies the encoder, and the head without which nothing can be read."""
    if 'backbone' not in params:
      raise ValueError(
        f'config.tasks.{self.task.name}.distill: nothing of the encoder trains '
        '(config.trainable), so that it cannot leave its teacher.'
      )
    mine = {'backbone', f'heads_{self.task.name}'}
    kept = {k: v for k, v in params.items() if k in mine}
    own = {'params': kept, 'batch_stats': batch_stats}
    return jax.tree.map(jnp.copy, own)


def build(
  name: str,
  config: Mapping[str, Any],
  info: examples.Info,
  plan: task_lib.Plan = task_lib.NO_PLAN,
) -> task_lib.Base:
  """Builds the task `config.tasks.<name>`, and wraps it if it is to be.

  Args:
    name: of the task.
    config: see `task.build`; `distill`, if given, holds the options of
      `Distilled`; a `weight` of 0 is none.
    info: of its training source.
    plan: of the run.

  Raises:
    ValueError: naming the field that is unknown or contradicts the data.
  """
  options = dict(config)
  distill = options.pop('distill', None)
  task = task_lib.build(name, options, info, plan)
  if not (distill and distill.get('weight', 1.0)):
    return task
  wrap = functools.partial(Distilled, task)
  return task_lib.make(wrap, distill, f'config.tasks.{name}.distill')
