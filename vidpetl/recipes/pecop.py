"""What the configs of PECoP's two stages share."""

from __future__ import annotations

from typing import Any

import ml_collections

from vidpetl import options
from vidpetl.data import datasets
from vidpetl.recipes import (
  arguments,
  crops,
  data,
  defaults,
  methods,
  preset,
  presets,
  reporting,
  tuning,
)
from vidpetl.weights import family

ConfigDict = ml_collections.ConfigDict

BACKBONES = {
  'i3d': 'i3d',
  'r3d': 'r3d_hara',
  'r3d_18': 'r3d_18',
  'r2plus1d': 'r2plus1d_vcop',
  'c3d': 'c3d',
  # Transformers are not in the paper.
  'swin': 'swin_t',
  'vit': 'videomae_b',
}
_TRANSFORMERS = ('swin', 'vit')
MEAN, STD = family.IMAGENET  # As in the heads' code, whatever the backbone.

ARGUMENTS = {
  'dataset': 'mtl_aqa',
  'task': '',
  'fold': 1,
  'backbone': 'i3d',
  'csv': '',
  'site': '',
  'reduction': 0,
  'kernel': 0,
  'norm_statistics': '',
  'init': '',
  'report': '',
  'data': '',
  'demo': False,
}


def parse(argument: str, **more: Any) -> ConfigDict:
  """Parses a config's argument.

  Args:
    argument: what stands behind the colon of `--config`.
    **more: the stage's own arguments with their defaults.
  """
  arg = arguments.parse(argument, **ARGUMENTS, **more)
  options.one_of('config', 'backbone', arg.backbone, BACKBONES)
  return arg


def preset_of(arg: ConfigDict) -> preset.Preset:
  """Returns the backbone that is named."""
  return presets.find(BACKBONES[arg.backbone])


def make(arg: ConfigDict) -> ConfigDict:
  """Returns an unlocked config with backbone and data, but no task."""
  config = defaults.get_config()
  config.backbone = dict(preset_of(arg).fields)
  config.init.path = arg.init
  config.init.skip = ('^heads_', '/site_')
  # The heads' authors gave I3D ImageNet's pixels, which it was not trained on.
  config.init.pixels = 'config'
  config.data = arg.data or ('demo/raw' if arg.demo else 'data/raw')
  config.eval_every_epochs = 0.0
  config.dtype = 'float32'  # As all of the original code.
  return config


def set_statistics(config: ConfigDict, arg: ConfigDict, usual: str) -> None:
  """Sets by which statistics BatchNorm normalises in training."""
  if arg.backbone not in _TRANSFORMERS:
    config.backbone.norm_statistics = arg.norm_statistics or usual
  elif arg.norm_statistics:
    raise ValueError(
      f'norm_statistics={arg.norm_statistics}: backbone={arg.backbone} has no '
      'BatchNorm.'
    )


def site(arg: ConfigDict) -> str:
  """Returns where 3D-Adapters sit."""
  return arg.site or preset_of(arg).sites['adapter3d']


def adapters(arg: ConfigDict) -> tuple[Any, Any]:
  """Returns (`config.petl`, `config.trainable`) of 3D-Adapters."""
  chosen = {'reduction': arg.reduction, 'kernel': arg.kernel}
  if arg.demo and arg.backbone == 'i3d' and not arg.reduction:
    # As narrow, it has 66 channels in one place: 4 does not divide them.
    chosen['reduction'] = 2
  chosen = {name: value for name, value in chosen.items() if value}
  return methods.make('adapter3d', site=site(arg), **chosen)


def refuse_adapters(arg: ConfigDict, why: str) -> None:
  """Raises ValueError for options of 3D-Adapters where there are none."""
  for name in ('reduction', 'kernel'):
    if arg[name]:
      raise ValueError(f'{name}={arg[name]} is of 3D-Adapters, but {why}.')


def source(config: ConfigDict, arg: ConfigDict, dataset: str) -> dict[str, Any]:
  """Returns the source of a dataset as downloaded, without its split."""
  if arg.csv:
    return {'source': 'performances', 'path': arg.csv}
  if arg.get('folder'):
    return {'source': 'folder', 'path': arg.folder}
  known = datasets.find(dataset)
  chosen = {'task': arg.task, 'fold': arg.fold}
  chosen = {name: chosen[name] for name in known.variants}
  if not chosen.get('task', 'given'):
    raise ValueError(f'dataset={dataset} needs task=, one of its tasks.')
  return {
    'source': 'raw',
    'dataset': dataset,
    # All splits of a dataset are in one folder.
    'raw': config.get_ref('data') + f'/{known.folder}',
    **chosen,
  }


def task_name(arg: ConfigDict) -> str:
  """Returns what the task is called: as its data, one's own or a dataset."""
  own = arg.csv or arg.get('folder')
  return data.task_name(own) if own else arg.dataset


def augment(flip: bool = True) -> dict[str, Any]:
  """Returns fields of a task's augmentation."""
  return {'scale_jitter': None, 'flip': flip, 'mean': MEAN, 'std': STD}


# Fields of `clip`. PECoP's code and CoRe's stretch frames to be 256 wide and
# 455 high, FineDiving's to be 112 wide and 200 high: their authors meant the
# other way round.
STRETCHED = {'resolution': 224, 'resize': 'stretch', 'stretch': (455, 256)}
STRETCHED_SMALL = {
  'resolution': 112,
  'resize': 'stretch',
  'stretch': (200, 112),
}
# MUSDL's code cuts the middle, in training too.
CENTRED = {
  'resolution': 224,
  'resize': 'crop',
  'short_side': 256,
  'centred': True,
}


def finish(
  config: ConfigDict, arg: ConfigDict, demo_epochs: float, report: str
) -> ConfigDict:
  """Returns the config locked; in the demo world, one for two cores.

  Args:
    config: to finish.
    arg: from `parse`.
    demo_epochs: epochs in the demo world.
    report: the paper's protocol, see `reporting`; the demo and one's own
      performances have none, and take 'last'.
  """
  if arg.demo:
    tuning.shrink(config, preset_of(arg))
    config.epochs = demo_epochs
    if arg.backbone == 'i3d':
      config.backbone.width = 8
    for task in config.tasks.values():
      _shrink_task(task)
  own = arg.demo or arg.csv
  reporting.apply(config, arg.report or ('last' if own else report))
  return config.lock()


def _shrink_task(task: ConfigDict) -> None:
  """Makes a task one of the demo world's short videos."""
  task.clip.update(crops.at(task.clip, 32))
  task.clip.update(frames=32, fps=15.0)
  if task.task.startswith('quality.'):
    if task.clip.sampling == 'tail':
      task.clip.sampling = 'spread'
      del task.clip.shift  # An option of 'tail' alone.
    task.starts = (0, 16)
    if task.task == 'quality.tsa':
      task.update(widths=(8, 16), heads=2)
  elif task.task == 'pretext.rspnet':
    task.queue = 128
  else:
    task.clip.frames = 16
  if task.task == 'pretext.vspp':
    task.dropout = 0.0
    task.augment.color_jitter = None
