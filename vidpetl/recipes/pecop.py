"""PECoP's two stages as recipes, which `configs/` name.

Stage 1 is self-supervised, on the training videos of the target dataset; stage
2 fits a quality head and everything below it. What paper and code do not say is
a choice, marked as one.
"""

from __future__ import annotations

import re
from typing import Any

import ml_collections

from vidpetl.recipes import defaults, methods
from vidpetl.recipes import tuning as recipes

ConfigDict = ml_collections.ConfigDict

# Backbone, and where 3D-Adapters sit in it. PECoP has them in I3D behind each
# concatenation, and in R3D-18 in each residual block, without saying where:
# before the sum is a choice. Transformers are not in the paper.
BACKBONES = {
  'i3d': ({'name': 'i3d', 'variant': 'pecop'}, 'block_out'),
  'r3d': ({'name': 'resnet3d', 'variant': 'hara'}, 'conv'),
  'r3d_18': ({'name': 'resnet3d', 'variant': 'r3d_18'}, 'conv'),
  'r2plus1d': ({'name': 'resnet3d', 'variant': 'r2plus1d_vcop'}, 'conv'),
  'c3d': ({'name': 'c3d'}, 'block_out'),
  'swin': (
    {'name': 'swin', 'variant': 'T', 'window': (8, 7, 7)},
    'mlp_residual',
  ),
  'vit': ({'name': 'vit', 'kind': 'videomae', 'variant': 'B'}, 'mlp_residual'),
}
_TRANSFORMERS = ('swin', 'vit')

# What stage 1 trains, epochs. A dataset is gone through ten times in an epoch
# of the paper; HPT takes twice as many. For the last three it gives no number.
METHODS = {
  'pecop': ('adapter3d', 80.0),
  'hpt': ('full', 160.0),
  'hpt_bn': ('layer_norm', 80.0),
  'dom_s': ('full', 160.0),
  'dom_g': ('full', 80.0),
}

# Frames of a performance, pixels, and first frames of its segments. MTL-AQA's
# and JIGSAWS' are MUSDL's, FineDiving's TSA's; PD4T's are a choice.
_CLIPS = {
  'mtl_aqa': (
    {'sampling': 'tail', 'frames': 103, 'shift': 3},
    224,
    (*range(0, 81, 10), 87),
  ),
  'jigsaws': (
    {'sampling': 'spread', 'frames': 160},
    224,
    tuple(range(0, 160, 16)),
  ),
  'finediving': (
    {'sampling': 'spread', 'frames': 96},
    112,
    tuple(range(0, 81, 10)),
  ),
  'pd4t': (
    {'sampling': 'spread', 'frames': 160},
    224,
    tuple(range(0, 160, 16)),
  ),
}

# Options of the heads. Those of FineDiving and PD4T, but for TSA, and CoRe's of
# JIGSAWS were never published and are choices.
_USDL = {
  'mtl_aqa': {'low': 0.0, 'high': 104.5, 'bins': 101, 'std': 5.0},
  'jigsaws': {'low': 6.0, 'high': 30.0, 'bins': 25, 'std': 1.0},
  'finediving': {'low': 0.0, 'high': 125.0, 'bins': 101, 'std': 5.0},
  'pd4t': {'low': 0.0, 'high': 4.0, 'bins': 41, 'std': 5.0},
}
_MUSDL = {
  'mtl_aqa': {
    **{'low': 0.0, 'high': 10.0, 'bins': 21, 'std': 5.0},
    **{'judges': 7, 'keep': 3, 'difficulty': True},
  },
  'jigsaws': {'low': 1.0, 'high': 5.0, 'bins': 5, 'std': 1.0, 'judges': 6},
}
_CORE = {
  'mtl_aqa': {
    'divide_by_difficulty': True,
    'score_range': 30.0,
    'starts': (*range(0, 81, 10), 86),
  },
  'jigsaws': {'score_range': 30.0},
  'finediving': {'score_range': 125.0},
  'pd4t': {'score_range': 5.0},
}
_TSA = {'finediving': {}}
HEADS = {
  'usdl': ('usdl', _USDL),
  'musdl': ('usdl', _MUSDL),
  'core': ('core', _CORE),
  'tsa': ('tsa', _TSA),
}
# What a query and its exemplar have in common.
_EXEMPLARS = {
  'mtl_aqa': 'difficulty',
  'jigsaws': 'any',
  'finediving': 'action',
  'pd4t': 'any',
}

ARGUMENTS = {
  'dataset': 'mtl_aqa',
  'task': '',
  'fold': 1,
  'backbone': 'i3d',
  'csv': '',
  'site': '',
  'norm_statistics': '',
  'init': '',
  'data': '',
  'demo': False,
}


def pretrain(arg: ConfigDict) -> ConfigDict:
  """Returns stage 1.

  SGD with a learning rate of 1e-3, momentum 0.9 and weight decay 1e-4, 16 clips
  of 32 frames, for 8 epochs of ten times the dataset (HPT: 16).

  Args:
    arg: `ARGUMENTS`, `method`, `pretext`, `parts` and `natural`.
  """
  method, epochs = recipes.one_of('method', arg.method, METHODS)
  config = _config(arg)
  general = arg.method == 'dom_g'
  chosen = {'site': _site(arg)} if method == 'adapter3d' else {}
  config.petl, config.trainable = methods.make(method, **chosen)
  if arg.method in ('dom_s', 'dom_g') and arg.init:
    raise ValueError(
      f'method={arg.method} starts from random parameters, not from init='
      f'{arg.init}.'
    )
  config.epochs, config.batch_size = epochs, 16
  config.optimizer.update(
    name='sgd',
    learning_rate=1e-3,
    schedule='constant',
    warmup_epochs=0.0,
    clip_norm=0.0,
    groups={'all': {'weight_decay': 1e-4, 'decay_filter': '.*'}},
  )
  _set_statistics(config, arg, 'batch')
  name = 'kinetics400' if general else arg.dataset
  clip = {'frames': 32, 'resolution': 224, 'resize': 'crop'}
  if general:
    task = _supervised(arg, clip)
  else:
    task = _pretext(arg, clip)
  source = _source(config, arg, name)
  for split, part in (('train', 'train'), ('eval', 'val')):
    task[split] = {**source, 'split': part}
  config.tasks = {name: task}
  metric = 'top1' if general else _METRICS[arg.pretext]
  config.checkpoint.best = f'{name}/{metric}'
  return _finish(config, arg, demo_epochs=epochs / 4)


def aqa(arg: ConfigDict) -> ConfigDict:
  """Returns stage 2.

  USDL and MUSDL: Adam with a learning rate of 1e-4, 4 videos, 100 epochs
  (JIGSAWS 80). CoRe and TSA: Adam with 1e-3, and 1e-4 below the head, 2 and 8
  pairs, 200 epochs, running statistics of BatchNorm left as they are.

  Args:
    arg: `ARGUMENTS`, `head`, `adapter` and `csv`.
  """
  kind, options = recipes.one_of('head', arg.head, HEADS)
  if arg.dataset not in options:
    raise ValueError(
      f'head={arg.head} has no settings for dataset={arg.dataset}; it has them '
      f'for {", ".join(options)}.'
    )
  config = _config(arg)
  relative = kind in ('core', 'tsa')
  if arg.adapter:
    config.init.adapter = arg.adapter
    if arg.site != 'none':
      config.petl, _ = methods.make('adapter3d', site=_site(arg))
  config.trainable = (('^heads_', 'heads'), ('.*', 'backbone'))
  config.optimizer.update(
    name='adam',
    learning_rate=1e-3 if relative else 1e-4,
    schedule='constant',
    warmup_epochs=0.0,
    clip_norm=0.0,
    groups={
      'heads': {'lr_scale': 1.0},
      'backbone': {'lr_scale': 0.1 if relative else 1.0},
    },
  )
  config.epochs = 200.0 if relative else 100.0
  if arg.dataset == 'jigsaws' and not relative:
    config.epochs = 80.0
  config.batch_size = {'usdl': 4, 'core': 2, 'tsa': 8}[kind]
  config.eval_batch_size = 8
  _set_statistics(config, arg, 'frozen' if relative else 'batch')
  clip, side, starts = _CLIPS[arg.dataset]
  source = _source(config, arg, arg.dataset)
  task = {
    'task': f'quality.{kind}',
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    'clip': {**clip, 'resolution': side, 'resize': 'crop'},
    'augment': _augment(),
    'starts': starts,
    **options[arg.dataset],
  }
  if relative:
    task['clip']['exemplar'] = _EXEMPLARS[arg.dataset]
  config.tasks = {arg.dataset: task}
  config.checkpoint.best = f'{arg.dataset}/spearman'
  return _finish(config, arg, demo_epochs=20.0)


_METRICS = {
  'vspp': 'accuracy',
  'pace': 'accuracy',
  'rspnet': 'speed_order',
}


def _config(arg: ConfigDict) -> ConfigDict:
  """Returns an unlocked config with backbone and data, but no task."""
  config = defaults.get_config()
  backbone, _ = recipes.one_of('backbone', arg.backbone, BACKBONES)
  config.backbone = backbone
  config.init.path = arg.init
  config.init.skip = ('^heads_', '/site_')
  config.data = arg.data or ('demo/raw' if arg.demo else 'data/raw')
  config.eval_every_epochs = 0.0
  return config


def _set_statistics(config: ConfigDict, arg: ConfigDict, usual: str) -> None:
  """Sets by which statistics BatchNorm normalises in training."""
  if arg.backbone not in _TRANSFORMERS:
    config.backbone.norm_statistics = arg.norm_statistics or usual
  elif arg.norm_statistics:
    raise ValueError(
      f'norm_statistics={arg.norm_statistics}: backbone={arg.backbone} has no '
      'BatchNorm.'
    )


def _site(arg: ConfigDict) -> str:
  return arg.site or recipes.one_of('backbone', arg.backbone, BACKBONES)[1]


def _source(
  config: ConfigDict, arg: ConfigDict, dataset: str
) -> dict[str, Any]:
  """Returns the source of a dataset as downloaded, without its split."""
  if arg.csv:
    return {'source': 'performances', 'path': arg.csv}
  if arg.get('folder'):
    return {'source': 'folder', 'path': arg.folder}
  source = {
    'source': 'raw',
    'dataset': dataset,
    # All splits of a dataset are in one folder.
    'raw': f'{config.data}/{re.sub("_[123]$", "", dataset)}',
  }
  if dataset in ('jigsaws', 'pd4t'):
    if not arg.task:
      raise ValueError(f'dataset={dataset} needs task=, one of its tasks.')
    source['task'] = arg.task
  if dataset == 'jigsaws':
    source['fold'] = arg.fold
  return source


def _pretext(arg: ConfigDict, clip: dict[str, Any]) -> dict[str, Any]:
  """Returns the pretext task without its data."""
  recipes.one_of('pretext', arg.pretext, _METRICS)
  augment = _augment()
  if arg.pretext == 'rspnet':
    # RSPNet's own, which PECoP's comparison does not speak of.
    augment |= {
      'scale_jitter': None,
      'crop_area': (0.4, 1.0),
      'color_jitter': (0.4, 0.4, 0.4, 0.4),
      'grayscale': 0.2,
    }
    return {
      'task': 'pretext.rspnet',
      'clip': {**clip, 'sampling': 'pair', 'stride': 1.0, 'resize': 'pad'},
      'augment': augment,
    }
  # VSPP's own strengths; PECoP gives none.
  augment |= {
    'color_jitter': (0.8, 0.8, 0.8, 0.2),
    'color_jitter_p': 0.8,
    'color_jitter_per_frame': True,
  }
  own = {'sampling': arg.pretext, 'rates': 4}
  if arg.pretext == 'vspp':
    # I3D makes two moments of the demo's 16 frames. Their mean hardly tells
    # where among four parts something happened.
    parts = arg.parts or (2 if arg.demo else 4)
    own |= {'parts': parts, 'natural': arg.natural}
  return {
    'task': f'pretext.{arg.pretext}',
    'clip': {**clip, **own},
    'augment': augment,
  }


def _supervised(arg: ConfigDict, clip: dict[str, Any]) -> dict[str, Any]:
  """Returns classification on Kinetics-400, without its data."""
  return {
    'task': 'classification',
    'num_classes': recipes.VIDEOS['kinetics400'][1 if arg.demo else 0],
    'clip': {**clip, 'stride': 2.0, 'fps': 25.0},
    'augment': _augment(),
  }


def _augment() -> dict[str, Any]:
  # Crops of 224 out of 256. PECoP's code and that of the heads' authors take
  # them out of frames that are stretched to be 256 wide and 455 high.
  return {'scale_jitter': (8 / 7, 8 / 7), 'flip': True, **recipes.IMAGENET}


def _finish(config: ConfigDict, arg: ConfigDict, demo_epochs: float):
  """Returns the config locked; in the demo world, one for two cores."""
  if arg.demo:
    recipes.shrink(config)
    config.epochs = demo_epochs
    if arg.backbone == 'i3d':
      # This narrow, it has 66 channels in one place: 4 does not divide them.
      config.backbone.width = 8
      config.petl = tuple({**entry, 'reduction': 2} for entry in config.petl)
    for task in config.tasks.values():
      _shrink(task)
  return config.lock()


def _shrink(task: ConfigDict) -> None:
  """Makes a task one of the demo world's short videos."""
  task.clip.update(resolution=32, frames=32, fps=15.0)
  if task.task.startswith('quality.'):
    task.clip.sampling = 'spread'
    # An option of 'tail' alone.
    if 'shift' in task.clip:
      del task.clip.shift
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
