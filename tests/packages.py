"""Packages of tiny models, as runs would write them."""

import ml_collections
import numpy as np

from vidpetl.experiment import adapters, experiment, spec
from vidpetl.parameters import package, variables
from vidpetl.recipes import methods

RNG = np.random.default_rng(0)
CLIPS = {'video': RNG.integers(0, 256, (2, 4, 16, 16, 3), np.uint8)}
SIZE = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 8}
BACKBONES = {
  'clip': {'name': 'vit', 'kind': 'clip', 'patch': 8, **SIZE},
  'videomae': {'name': 'vit', 'kind': 'videomae', 'patch': 8, **SIZE},
  'vivit': {
    'name': 'vivit',
    'attention': 'spacetime',
    'tubelet': (2, 8, 8),
    **SIZE,
  },
  'swin': {
    'name': 'swin',
    'width': 8,
    'depths': (1, 1),
    'heads': (1, 2),
    'window': (2, 3, 3),
  },
}


def make_config(backbone, method, **options):
  config = ml_collections.ConfigDict()
  config.backbone = BACKBONES[backbone]
  config.petl, config.trainable = methods.make(method, **options)
  config.dtype = 'float32'
  config.tasks = {
    'own': {
      'task': 'classification',
      'num_classes': 3,
      'clip': {'frames': 4, 'resolution': 16},
      'train': {'source': 'folder'},
    }
  }
  return config


def trained(config, seed=0):
  """The parameters of a run, by path: those of the backbone always the same."""
  built = experiment.build(config, experiment.infos_from_config(config))
  params = {}
  for path, x in variables.flatten(built.variables).items():
    own = package.belongs(path, built.group_of.get(path) != 'frozen')
    key = sum(path.encode()) + 1000 * seed * own
    values = np.random.default_rng(key).normal(0, 0.3, x.shape)
    if path.endswith('/var'):
      values = 0.5 + np.abs(values)
    params[path] = values.astype(np.float32)
  return built, params


def pack(config, seed=0):
  built, params = trained(config, seed)
  infos = experiment.infos_from_config(config)
  described = spec.describe(config, infos, {'own': {}})
  return adapters.pack(described, params, built.group_of), params


def backbone_of(params):
  return {
    k: v
    for k, v in params.items()
    if k.startswith('backbone/') and '/site_' not in k
  }
