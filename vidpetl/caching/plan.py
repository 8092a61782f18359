"""Whether the clips of a run can be kept encoded, and what is kept of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vidpetl.caching import encoding, randomness
from vidpetl.data import clip_spec, examples
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.parameters import trainable, variables

WHERE = 'config.cache.path'
# Fields of backbones and techniques that drop at random in training.
_DROPS = ('stochastic_depth', 'dropout', 'drop_path')


@dataclasses.dataclass(frozen=True)
class Part:
  """The clips of a task, of training or of evaluation.

  Attributes:
    task: its name.
    spec: how they are cut.
    views: showings that are kept of each.
    drawn: whether something in them is drawn, by the seed of a showing.
    layout: name -> shape and type of what is kept of a clip.
    about: all that it depends on but parameters, backbone and data, as json
      has it.
  """

  task: str
  spec: clip_spec.ClipSpec
  views: int
  drawn: bool
  layout: encoding.Layout
  about: Mapping[str, Any]

  @property
  def train(self) -> bool:
    return self.spec.train

  @property
  def signature(self) -> encoding.Layout:
    """Shape and type of each array of a clip, also of those it has anew."""
    return {
      **self.layout,
      'index': ((), np.dtype(np.int32)),
      'seed': ((2,), np.dtype(np.uint32)),
      'valid': ((), np.dtype(bool)),
    }


def plan(
  config: Any,
  experiment: experiment_lib.Experiment,
  infos: Mapping[str, examples.Info],
) -> dict[tuple[str, bool], Part]:
  """Returns the parts of a run's cache, by task and whether in training.

  Args:
    config: of the run; its `cache` has a path.
    experiment: model and tasks.
    infos: of the training data.

  Raises:
    ValueError: naming the field for which kept features would be wrong ones.
  """
  _check_trunk(experiment)
  parts = {}
  for name, info in infos.items():
    drawn = _check_clips(config, experiment, name, info)
    for train in (True, False):
      facts = _facts(config, experiment, name, train, info)
      parts[name, train] = _part(config, experiment, name, train, drawn, facts)
      _check_reads(experiment, parts[name, train])
  return parts


def _check_trunk(experiment: experiment_lib.Experiment) -> None:
  trained = [
    path
    for path, group in experiment.group_of.items()
    if path.startswith('backbone/') and group != trainable.FROZEN
  ]
  if trained:
    raise ValueError(
      f'{WHERE}: {len(trained)} arrays of the backbone train '
      f'(config.trainable), the first being {trained[0]}, so that what it '
      'makes of a clip changes from step to step. Freeze it, or leave the '
      'cache out.'
    )


def _check_clips(
  config: Any,
  experiment: experiment_lib.Experiment,
  name: str,
  info: examples.Info,
) -> bool:
  """Returns whether training clips are drawn.

  Raises:
    ValueError: if they are, and the config does not say how often.
  """
  task, where = experiment.tasks[name], f'config.tasks.{name}'
  if task.augment.mixes:
    raise ValueError(
      f'{WHERE}: {where}.augment.mixup and cutmix mix each clip with another '
      'one in each step; set them to 0.'
    )
  boxes = 'boxes' in task.train_clip.kind.signature(info, ())
  reasons = [f'clip: {why}' for why in randomness.of_clip(task.train_clip)]
  reasons += [f'augment: {x}' for x in randomness.of_augment(task, boxes)]
  if reasons and not config.cache.views:
    raise ValueError(
      'config.cache.views=0 keeps each clip once, as it always is, but those '
      f'of {where} are drawn anew in each epoch. Set views to 1 or more, which '
      'draws so many of each clip once and for all and shows them in turn; or '
      f'draw nothing: {"; ".join(f"{where}.{why}" for why in reasons)}.'
    )
  return bool(reasons)


def _facts(config, experiment, name, train, info) -> encoding.Facts:
  """Returns what is known of a program.

  Raises:
    ValueError: if it makes of a clip now this, now that.
  """
  dtype = config.cache.dtype
  facts = encoding.facts(experiment, name, train, dtype, info)
  if facts.draws:
    raise ValueError(
      f'{WHERE}: the backbone drops at random in training: '
      f'{", ".join(_drops(config)) or "by one of its layers"}. Set it to 0.'
    )
  if facts.moves:
    raise ValueError(
      f'{WHERE}: BatchNorms of the backbone normalise by the batch in '
      'training, so that what is made of a clip depends on the others. Set '
      "config.backbone.norm_statistics='frozen', or leave the cache out."
    )
  return facts


def _drops(config: Any) -> list[str]:
  """Returns fields that drop at random, with their values."""
  owners = {'config.backbone': config.backbone.to_dict()}
  owners |= {f'config.petl[{i}]': x for i, x in enumerate(config.petl)}
  return [
    f'{owner}.{name}={fields[name]}'
    for owner, fields in owners.items()
    for name in _DROPS
    if fields.get(name)
  ]


def _part(config, experiment, name, train, drawn, facts) -> Part:
  task = experiment.tasks[name]
  spec = task.train_clip if train else task.eval_clip
  drawn = drawn if train else any(randomness.of_clip(spec))
  augment = dataclasses.asdict(task.augment)
  if not (train and drawn):
    pixels = ('mean', 'std', 'pad_value', 'dtype')
    augment = {field: augment[field] for field in pixels}
  about = {
    'sampler': spec.sampling,
    'kind': spec.kind.name,
    'clip': dataclasses.asdict(spec),
    'augment': augment,
    'options': task.digest_options(),
    'layout': {k: [list(s), str(d)] for k, (s, d) in facts.layout.items()},
  }
  views = config.cache.views if train and drawn else 1
  return Part(name, spec, views, drawn, facts.layout, about)


def _check_reads(experiment: experiment_lib.Experiment, part: Part) -> None:
  """Raises ValueError for a task that looks at clips besides its features."""
  task, train = experiment.tasks[part.task], part.train
  batch = {
    name: jax.ShapeDtypeStruct((1, *shape), kind)
    for name, (shape, kind) in part.signature.items()
  }

  def forward(*args):
    raise KeyError('video')

  def run(tree, inputs):
    params = {k: v for k, v in tree['params'].items() if k != 'backbone'}
    seen = {}
    if train:
      own = task.new_state(params, tree.get(variables.STATISTICS, {}))
      seen, _ = task.observe(own, inputs, forward)
    outputs, _ = experiment.model.apply(
      tree,
      {**inputs, **seen},
      part.task,
      train,
      mutable=[variables.STATISTICS],
      rngs={'dropout': jax.random.key(0)},
    )
    finish = task.loss if train else task.outputs
    return finish(outputs, {**inputs, **seen})

  try:
    jax.eval_shape(run, experiment.variables, batch)
  except KeyError as error:
    if error.args != ('video',):
      raise
    raise ValueError(
      f'{WHERE}: config.tasks.{part.task}.task looks at clips itself, and not '
      'only at what the backbone makes of them. Leave the cache out.'
    ) from None
