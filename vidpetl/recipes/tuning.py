"""What configs of tuning share: arguments, the task, the demo's sizes.

The numbers of a paper stand in its config file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from vidpetl import options
from vidpetl.data import datasets
from vidpetl.recipes import (
  arguments,
  crops,
  defaults,
  methods,
  preset,
  presets,
  probing,
  reporting,
  sampling,
  tuned,
)

ConfigDict = ml_collections.ConfigDict

# Of bottlenecks in the demo, where nothing else is said.
DEMO_WIDTH = 16
_BOTTLENECKS = ('bottleneck', 'adapter')

_COMMON = {
  'head': True,
  'where': '',
  'init': '',
  'data': '',
  'demo': False,
  'pretrain': False,
  'report': 'last',
  **sampling.ARGUMENTS,
}


def parse(argument: str, method: str, **more: Any) -> ConfigDict:
  """Parses a config's argument, with the options of the method it names.

  Args:
    argument: what stands behind the colon of `--config`.
    method: the default one, see `vidpetl.recipes.methods`.
    **more: the config's own arguments with their defaults.
  """
  method = arguments.value(argument, 'method', method)
  known = {
    'method': method,
    **methods.options(method),
    **_COMMON,
    **probing.known(argument),
    **more,
  }
  parsed = arguments.parse(argument, **known)
  if not parsed.demo:
    return parsed
  # A bottleneck as wide as the demo's backbone would be none.
  narrow = {k: min(known[k], DEMO_WIDTH) for k in _BOTTLENECKS if k in known}
  return arguments.parse(argument, **{**known, **narrow})


def backbone(
  argument: str, choices: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> tuple[preset.Preset, dict[str, Any]]:
  """Returns the preset that `backbone=` names, and `config.backbone`.

  Args:
    argument: one of `choices`, or a preset's name.
    choices: short name -> preset and the fields that the paper has otherwise.

  Raises:
    ValueError: if it is neither, with all that it could be.
  """
  if argument in choices:
    name, fields = choices[argument]
  else:
    options.one_of(
      'config', 'backbone', argument, (*choices, *presets.all_presets())
    )
    name, fields = argument, {}
  found = presets.find(name)
  return found, {**found.fields, **fields}


def tuning(arg: ConfigDict) -> ConfigDict:
  """Returns an unlocked config in which `arg.method` is what trains.

  With `arg.pretrain` everything trains and nothing is bound: that makes the
  backbone from which tuning starts.
  """
  config = defaults.get_config()
  if arg.pretrain:
    config.petl, config.trainable = methods.make('full')
  else:
    chosen = {name: arg[name] for name in methods.options(arg.method)}
    config.petl, config.trainable = methods.make(
      arg.method, head=arg.head, where=arg.where, **chosen
    )
  config.init.path = arg.init
  # The backbone was trained without what is bound to it here.
  config.init.skip = ('^heads_', '/site_')
  config.data = arg.data or ('demo/records' if arg.demo else 'data/prepared')
  config.eval_batch_size = 16
  config.eval_every_epochs = 10.0
  return config


def sgd(config: ConfigDict, batch: int, epochs: float, warmup: float) -> None:
  """Sets SGD with a learning rate of 0.1 per 256 examples, and its length."""
  config.batch_size, config.epochs = batch, epochs
  config.optimizer.update(
    name='sgd',
    learning_rate=0.1 * batch / 256,
    warmup_epochs=warmup,
    clip_norm=0.0,
  )


def adamw(
  config: ConfigDict,
  rate: float,
  warmup: float,
  weight_decay: float,
  decays: str = '',
) -> None:
  """Sets AdamW, without clipping.

  Args:
    config: to change.
    rate: behind the warm-up.
    warmup: its epochs.
    weight_decay: of what decays.
    decays: regex of what that is, '' for matrices; see `optimizer`.
  """
  group = {'lr_scale': 1.0, 'weight_decay': weight_decay}
  config.optimizer.update(
    name='adamw',
    learning_rate=rate,
    warmup_epochs=warmup,
    clip_norm=0.0,
    groups={'all': {**group, 'decay_filter': decays}},
  )


def set_video_task(
  config: ConfigDict,
  arg: ConfigDict,
  dataset: str,
  clip: Mapping[str, Any],
  augment: Mapping[str, Any],
  views: tuple[int, int],
  **more: Any,
) -> None:
  """Gives the config its task: `dataset`, or Kinetics-400 to pretrain on.

  Args:
    config: to change.
    arg: from `parse`.
    dataset: name of the records, 'hmdb51_1'.
    clip: fields of the task's clip.
    augment: fields of its augmentation.
    views: (clips, crops) of a test.
    **more: further fields of the task.
  """
  records = 'kinetics400' if arg.pretrain else dataset
  known = datasets.find(records)
  clip = sampling.apply({'fps': known.fps, 'resize': 'crop', **clip}, arg)
  source = {
    'source': 'records',
    'path': config.get_ref('data'),
    'dataset': records,
  }
  config.tasks = {
    known.name: {
      'task': 'classification',
      'num_classes': known.demo_classes if arg.demo else known.num_classes,
      'train': {**source, 'split': 'train'},
      'eval': {**source, 'split': 'val'},
      'clip': clip,
      'eval_clip': {'views': sampling.views(clip, views)},
      'augment': {'scale_jitter': None, 'flip': known.mirrored, **augment},
      'initial': initial(arg),
      **more,
    }
  }
  config.checkpoint.best = f'{known.name}/top1'


def initial(arg: ConfigDict) -> str:
  """Returns where the head's weights start."""
  return 'zeros' if arg.head or arg.pretrain else 'uniform'


def finish(
  config: ConfigDict, arg: ConfigDict, of: preset.Preset
) -> ConfigDict:
  """Returns the config locked; in the demo world, one for two cores."""
  if not arg.pretrain:
    tuned.apply(config, arg.method)
  probing.apply(config, arg)
  if arg.demo:
    shrink(config, of)
    _shorten(config, 40.0 if arg.pretrain else 10.0)
    for task in config.tasks.values():
      shrink_task(task, of)
  reporting.apply(config, arg.report)
  return config.lock()


def _shorten(config: ConfigDict, epochs: float) -> None:
  """Sets another number of epochs, with milestones in proportion."""
  share = epochs / config.epochs
  optimizer = config.optimizer
  optimizer.milestones = tuple(share * m for m in optimizer.milestones)
  config.epochs = epochs


def shrink(config: ConfigDict, of: preset.Preset) -> None:
  """Makes backbone and training of a config fit for two cores."""
  config.backbone = {**config.backbone.to_dict(), **of.small}
  config.dtype = 'float32'
  config.batch_size = config.eval_batch_size = 16
  config.eval_every_epochs = 0.0
  config.log_every, config.checkpoint.every = 20, 100
  config.optimizer.update(
    name='adamw', learning_rate=2e-3, warmup_epochs=0.5, clip_norm=1.0
  )
  config.input.update(workers=2, prefetch=2, ready=2)


def shrink_task(task: ConfigDict, of: preset.Preset) -> None:
  """Makes the clips of a task those of the demo world."""
  if task.train.source == 'tfds_images':
    task.clip.update(crops.at(task.clip, 32))
    return
  # Two seconds of 15 frames, of which these take an even share.
  frames = of.small_clip['frames']
  task.clip.update(crops.at(task.clip, of.small_clip['resolution']))
  task.clip.update(frames=frames, stride=32 / frames, fps=15.0)
  task.eval_clip.views = (1, 1)
