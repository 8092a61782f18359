"""A small file of weights, and conversions of it."""

import flax.serialization
import numpy as np

from vidpetl.weights import importing


def mae():
  """A small file of the family mae, by name."""
  shapes = {
    'cls_token': (1, 1, 64),
    'pos_embed': (1, 5, 64),
    'patch_embed.proj.weight': (64, 3, 4, 4),
    'patch_embed.proj.bias': (64,),
    'norm.weight': (64,),
    'norm.bias': (64,),
  }
  block = {
    'norm1.weight': (64,),
    'norm1.bias': (64,),
    'attn.qkv.weight': (192, 64),
    'attn.qkv.bias': (192,),
    'attn.proj.weight': (64, 64),
    'attn.proj.bias': (64,),
    'norm2.weight': (64,),
    'norm2.bias': (64,),
    'mlp.fc1.weight': (256, 64),
    'mlp.fc1.bias': (256,),
    'mlp.fc2.weight': (64, 256),
    'mlp.fc2.bias': (64,),
  }
  shapes |= {f'blocks.0.{name}': shape for name, shape in block.items()}
  return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def save(tree, path):
  path.write_bytes(flax.serialization.msgpack_serialize(tree))
  return path


def load(tree, folder, **options):
  """Returns what `importing.load` makes of nested dicts as a file's content."""
  path = save(tree, folder / 'mae.msgpack')
  options.setdefault('settings', {'heads': 1})
  return importing.load('mae', str(path), **options)


def prefixed(prefix, state):
  return {prefix + name: array for name, array in state.items()}
