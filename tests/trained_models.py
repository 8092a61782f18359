"""Trained models for exports: tiny nets with random weights, as runs leave."""

import zlib

import numpy as np

from vidpetl.experiment import spec as spec_lib
from vidpetl.experiment import trained
from vidpetl.parameters import variables
from vidpetl.recipes import presets

SIDE = 32


def describe(backbone, petl=(), task='classification', **options):
  """Returns model.json of a tiny twin."""
  preset = presets.find(backbone)
  clip = {
    'frames': preset.tiny_frames,
    'resolution': SIDE,
    'resize': 'crop',
    'stride': 1,
    **options.pop('clip', {}),
  }
  more = {}
  if task == 'localisation':
    clip |= {'resize': 'pad', 'max_boxes': 2}
    more = {'pool': (2, 2)}
  return {
    'format': spec_lib.FORMAT,
    'backbone': {**preset.fields, **preset.tiny},
    'petl': list(petl),
    'trainable': [['.*', 'all']],
    'dtype': 'float32',
    'tasks': {
      'own': {
        'options': {
          'task': task,
          'num_classes': 3,
          'clip': clip,
          **more,
          **options,
        },
        'labels': {'0': 'run', '1': 'jump', '2': 'sit'},
        'fps': None,
        'trained_on': 'own/train',
        'seconds': {'median': 2.0, 'longest': 2.0},
      }
    },
  }


def weights(spec):
  """Returns random parameters and statistics by path."""
  found = {}
  shapes = variables.flatten(spec_lib.build(spec).variables)
  for path, each in shapes.items():
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    drawn = rng.normal(scale=0.3, size=each.shape).astype(np.float32)
    positive = variables.is_statistic(path)
    found[path] = np.abs(drawn) + 0.5 if positive else drawn
  return found


def write(folder, *args, **options):
  """Writes a model as a folder that is whole in itself; returns its path."""
  spec = describe(*args, **options)
  trained.write(folder, spec, weights(spec))
  return str(folder)
