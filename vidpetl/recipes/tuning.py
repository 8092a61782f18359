"""The papers' recipes of parameter-efficient tuning, which `configs/` name.

What paper and code do not say is a choice, marked as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import ml_collections

from vidpetl.recipes import arguments, defaults, methods

ConfigDict = ml_collections.ConfigDict

IMAGENET = {'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)}
_CLIP = {
  'mean': (0.48145466, 0.4578275, 0.40821073),
  'std': (0.26862954, 0.26130258, 0.27577711),
}

# Dataset -> classes, classes in the demo world, nominal frame rate.
VIDEOS = {
  'kinetics400': (400, 10, 25.0),
  'something_something_v2': (174, 8, 12.0),
  'hmdb51': (51, 8, 30.0),
  'ucf101': (101, 8, 25.0),
}
# Dataset -> classes.
_IMAGES = {'cifar100': 100, 'svhn_cropped': 10, 'food101': 101}
# In these, left and right are what labels are about.
_NO_FLIP = ('something_something_v2', 'svhn_cropped')

_VPETL_BACKBONES = {
  'swin': {
    'name': 'swin',
    'variant': 'B',
    'window': (8, 7, 7),
    # As in the paper's code, whatever its flags say.
    'stochastic_depth': 0.4,
    'summary': 'vpetl',
  },
  'videomae': {'name': 'vit', 'kind': 'videomae', 'variant': 'B'},
  # Not in the paper.
  'clip': {'name': 'vit', 'kind': 'clip', 'variant': 'B'},
}
_CLIP_MODELS = {
  'B16': {'name': 'vit', 'kind': 'clip', 'variant': 'B'},
  'L14': {'name': 'vit', 'kind': 'clip', 'variant': 'L'},
}

_COMMON = {
  'head': True,
  'where': '',
  'init': '',
  'data': '',
  'demo': False,
  'pretrain': False,
}


def parse(argument: str, method: str, **more: Any) -> ConfigDict:
  """Parses a config's argument, with the options of the method it names.

  Args:
    argument: what stands behind the colon of `--config`.
    method: the default one, see `vidpetl.recipes.methods`.
    **more: the config's own arguments with their defaults.
  """
  method = arguments.value(argument, 'method', method)
  known = {'method': method, **methods.options(method), **_COMMON, **more}
  return arguments.parse(argument, **known)


def vpetl(arg: ConfigDict, dataset: str, records: str = '') -> ConfigDict:
  """Returns V-PETL's recipe for videos.

  SGD with momentum 0.9 and no weight decay, a learning rate of 0.1 per 256
  clips, 70 epochs with a linear warm-up of 10, then cosine. Clips of 8 frames,
  every second one; a test averages the logits of 4 clips x 3 crops.

  Args:
    arg: from `parse`, with `frames` and `backbone`.
    dataset: 'something_something_v2', 'hmdb51', ...
    records: what it is called where it is prepared, if not so.
  """
  config = tuning(arg)
  config.backbone = one_of('backbone', arg.backbone, _VPETL_BACKBONES)
  batch = 64 if arg.backbone == 'swin' else 256
  _sgd(config, batch, epochs=70.0, warmup=10.0)
  clip = {'frames': arg.frames, 'stride': 2.0, 'resolution': 224}
  test = {'eval_clip': {'views': (4, 3)}, 'average': 'logits'}
  channels = _CLIP if arg.backbone == 'clip' else IMAGENET
  set_video_task(config, arg, dataset, records, clip, channels, test)
  return finish(config, arg)


def vpetl_images(arg: ConfigDict) -> ConfigDict:
  """Returns V-PETL's recipe for images: AdaptFormer's, in batches of 256.

  Args:
    arg: from `parse`, with `dataset`.
  """
  classes = one_of('dataset', arg.dataset, _IMAGES)
  config = tuning(arg)
  config.data = arg.data or ('demo/tfds' if arg.demo else 'data/tfds')
  config.backbone = {'name': 'vit', 'kind': 'mae', 'variant': 'B'}
  _sgd(config, 256, epochs=100.0, warmup=20.0)
  source = {
    'source': 'tfds_images',
    'data_dir': config.get_ref('data'),
    'dataset': arg.dataset,
  }
  test = 'validation' if arg.dataset == 'food101' else 'test'
  config.tasks = {
    arg.dataset: {
      'task': 'classification',
      'num_classes': classes,
      'train': {**source, 'split': 'train'},
      'eval': {**source, 'split': test},
      'clip': {'frames': 1, 'resolution': 224, 'resize': 'crop'},
      'augment': _augment(arg.dataset, IMAGENET),
      'initial': _initial(arg),
    }
  }
  config.checkpoint.best = f'{arg.dataset}/top1'
  return finish(config, arg)


def mst_adapter(
  arg: ConfigDict, dataset: str, views: tuple[int, int]
) -> ConfigDict:
  """Returns MST-Adapter's recipe.

  AdamW with a learning rate of 1.5e-4 and weight decay 0.05, 30 epochs with a
  warm-up of 5, then cosine; 4 clips on each of 4 devices. A shorter side of
  256 to 320, cropped to 224.

  Args:
    arg: from `parse`, with `model`, `frames` and `layers`.
    dataset: 'kinetics400' or 'something_something_v2'.
    views: (clips, crops) of a test.
  """
  if arg.layers:
    with arg.unlocked():
      arg.where = _layers(arg.layers)
  config = tuning(arg)
  config.backbone = one_of('model', arg.model, _CLIP_MODELS)
  config.epochs, config.batch_size = 30.0, 16
  config.optimizer.update(
    name='adamw',
    learning_rate=1.5e-4,
    warmup_epochs=5.0,
    clip_norm=0.0,
    groups={'all': {'lr_scale': 1.0, 'weight_decay': 0.05}},
  )
  # The paper takes every 16th or 8th frame. A choice: Something-Something's
  # clips, 4 s at 12 frames a second, are shown whole instead.
  span = {'kinetics400': 128, 'something_something_v2': 48}[dataset]
  clip = {'frames': arg.frames, 'stride': span / arg.frames, 'resolution': 224}
  test = {'eval_clip': {'views': views}}
  set_video_task(config, arg, dataset, '', clip, _CLIP, test)
  return finish(config, arg)


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


def _sgd(config: ConfigDict, batch: int, epochs: float, warmup: float) -> None:
  config.batch_size, config.epochs = batch, epochs
  config.optimizer.update(
    name='sgd',
    learning_rate=0.1 * batch / 256,
    warmup_epochs=warmup,
    clip_norm=0.0,
  )


def set_video_task(config, arg, dataset, records, clip, channels, test):
  """Gives the config its task: `dataset`, or Kinetics-400 to pretrain on."""
  if arg.pretrain:
    dataset, records = 'kinetics400', ''
  classes, demo_classes, fps = VIDEOS[dataset]
  source = {
    'source': 'records',
    'path': config.get_ref('data'),
    'dataset': records or dataset,
  }
  config.tasks = {
    dataset: {
      'task': 'classification',
      'num_classes': demo_classes if arg.demo else classes,
      'train': {**source, 'split': 'train'},
      'eval': {**source, 'split': 'val'},
      'clip': {'fps': fps, 'resize': 'crop', **clip},
      'augment': _augment(dataset, channels),
      'initial': _initial(arg),
      **test,
    }
  }
  config.checkpoint.best = f'{dataset}/top1'


def _initial(arg: ConfigDict) -> str:
  """Returns where the head's weights start."""
  return 'zeros' if arg.head or arg.pretrain else 'uniform'


def _augment(dataset: str, channels: dict[str, Any]) -> dict[str, Any]:
  # A choice: crops of 1 to 1 / 1.43 of the shorter side (320 for 224), which
  # V-PETL's four sizes of crop and MST-Adapter's range both come near to.
  return {
    'scale_jitter': (1.0, 1.43),
    'flip': dataset not in _NO_FLIP,
    **channels,
  }


def one_of(argument: str, value: Any, choices: Mapping[Any, Any]) -> Any:
  """Returns what a config's argument names.

  Raises:
    ValueError: with all that it could name.
  """
  if value not in choices:
    known = ', '.join(map(str, choices))
    raise ValueError(f'{argument}={value} is none of {known}.')
  return choices[value]


def _layers(text: str) -> str:
  """Returns the regex of blocks 'first-last', counted from 1."""
  match = re.fullmatch(r'(\d+)-(\d+)', text)
  if not match or not 1 <= int(match[1]) <= int(match[2]):
    raise ValueError(f'layers={text} is not "first-last", counted from 1.')
  numbers = range(int(match[1]) - 1, int(match[2]))
  return f'encoderblock_({"|".join(map(str, numbers))})(/|$)'


# What a laptop trains from scratch within a minute or two.
_TINY = {
  'swin': {
    'width': 24,
    'depths': (1, 1, 2),
    'heads': (1, 2, 4),
    'window': (4, 4, 4),
    'stochastic_depth': 0.0,
  },
  'vit': {'width': 64, 'depth': 3, 'heads': 2, 'mlp': 256, 'patch': 8},
  'c3d': {'width': 8},
  'i3d': {'width': 16},
  'resnet3d': {'width': 16},
}
# What remains of the backbone's own fields there.
_KEPT = {
  'swin': ('name', 'summary'),
  'vit': ('name', 'kind'),
  'c3d': ('name', 'norm_statistics'),
  'i3d': ('name', 'variant', 'norm_statistics'),
  'resnet3d': ('name', 'variant', 'norm_statistics'),
}


def finish(config: ConfigDict, arg: ConfigDict) -> ConfigDict:
  """Returns the config locked; in the demo world, one for two cores."""
  if arg.demo:
    shrink(config)
    config.epochs = 40.0 if arg.pretrain else 10.0
    for name, task in config.tasks.items():
      _shrink_task(name, task, config.backbone.name)
  return config.lock()


def shrink(config: ConfigDict) -> None:
  """Makes backbone and training of a config fit for two cores."""
  backbone = config.backbone.to_dict()
  kept = {k: v for k, v in backbone.items() if k in _KEPT[backbone['name']]}
  config.backbone = {**kept, **_TINY[backbone['name']]}
  config.dtype = 'float32'
  config.batch_size = config.eval_batch_size = 16
  config.eval_every_epochs = 0.0
  config.log_every, config.checkpoint.every = 20, 100
  config.optimizer.update(
    name='adamw', learning_rate=2e-3, warmup_epochs=0.5, clip_norm=1.0
  )
  config.input.update(workers=2, prefetch=2, ready=2)


def _shrink_task(name: str, task: ConfigDict, backbone: str) -> None:
  if name in _IMAGES:
    task.clip.resolution = 32
    return
  # Two seconds, of which these take every second frame.
  frames = 8 if backbone == 'vit' else 16
  # C3D's first layer sees all pixels of all frames.
  side = 32 if backbone == 'c3d' else 64
  task.clip.update(frames=frames, stride=32 / frames, fps=15.0, resolution=side)
  task.eval_clip.views = (1, 1)
