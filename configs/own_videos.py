"""One's own videos, with no preparation.

Clips with labels, as a folder of class folders or a csv `path,label,...`:

  python -m vidpetl.main --config=configs/own_videos.py:folder=my_videos
  python -m vidpetl.main --config=configs/own_videos.py:manifest=clips.csv

People with boxes and actions, as csv files in AVA's format beside the videos:

  python -m vidpetl.main --config=configs/own_videos.py:videos=films,\
annotations=train.csv,val_annotations=val.csv,labelmap=actions.txt

Further arguments: detections and val_detections (csv of a person detector's
boxes), video_start (annotated second at which the files begin), variant (Ti, B,
L), resolution, frames, stride, batch (clips a step), epochs, rate (learning
rate), init (workdir of a run to start from). All else is --config.<field>=…

A ViT that starts from random parameters needs far more than a small dataset:
without `init`, expect little. Nothing was measured with this config.
"""

import ml_collections

from vidpetl.recipes import arguments, defaults


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `arguments`."""
  arg = arguments.parse(
    argument,
    folder='',
    manifest='',
    videos='',
    annotations='',
    val_annotations='',
    labelmap='',
    detections='',
    val_detections='',
    video_start=0.0,
    variant='B',
    resolution=224,
    frames=32,
    stride=2,
    batch=8,
    epochs=30.0,
    rate=1e-4,
    init='',
  )
  config = defaults.get_config()
  config.epochs, config.batch_size, config.eval_batch_size = (
    arg.epochs,
    arg.batch,
    arg.batch,
  )
  config.dtype = 'float32'
  config.log_every = 10
  config.checkpoint.every = 200
  config.init.path = arg.init
  config.optimizer.update(
    name='adamw', learning_rate=arg.rate, warmup_epochs=1.0
  )
  config.input.workers = 8
  config.backbone = {
    'name': 'vivit',
    'variant': arg.variant,
    'temporal_depth': 4,
    'stochastic_depth': 0.1,
    'remat': True,
  }
  config.tasks = {'own': task(arg)}
  config.checkpoint.best = 'own/mAP' if arg.videos else 'own/top1'
  return config.lock()


def task(arg: ml_collections.ConfigDict) -> dict:
  """The one task, of whichever kind of data was named."""
  named = [k for k in ('folder', 'manifest', 'videos') if arg[k]]
  if len(named) != 1:
    raise ValueError(
      f'Name one of folder=, manifest= and videos=, not {named or "none"}.'
    )
  clip = {
    'frames': arg.frames,
    'stride': arg.stride,
    'resolution': arg.resolution,
  }
  augment = {'scale_jitter': (0.8, 1.1), 'flip': True}
  if arg.videos:
    boxes = 'detected' if arg.detections else 'ground_truth'
    return {
      'task': 'localisation',
      'train': _boxes(arg, 'train', arg.annotations, arg.detections),
      'eval': _boxes(arg, 'val', arg.val_annotations, arg.val_detections),
      'clip': {**clip, 'boxes': boxes, 'max_boxes': 16},
      'eval_clip': {'boxes': 'detected', 'max_boxes': 32},
      'augment': {**augment, 'box_jitter': 0.1},
      'protocols': ('2020',),
    }
  source = {'source': named[0], 'path': arg[named[0]]}
  return {
    'task': 'classification',
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    'clip': clip,
    'augment': augment,
    'label_smoothing': 0.1,
  }


def _boxes(arg, split: str, annotations: str, detections: str) -> dict:
  if not annotations:
    raise ValueError('videos= needs annotations= and val_annotations=.')
  return {
    'source': 'ava_csv',
    'videos': arg.videos,
    'annotations': annotations,
    'split': split,
    'labelmap': arg.labelmap or None,
    'detections': detections or None,
    'video_start': arg.video_start,
  }
