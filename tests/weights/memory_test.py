"""Memory of a conversion: that of a few of its arrays, and not of its file."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

# What has been most, pages of mapped files included; a process's own.
PEAK = '/proc/self/status'
CONVERT = f"""
import runpy
try:
  runpy.run_module('vidpetl.convert', run_name='__main__', alter_sys=True)
finally:
  with open({PEAK!r}) as file:
    print('peak', *(l.split()[1] for l in file if l.startswith('VmHWM')))
"""


def state(width, depth):
  """A file of the family mae, by name."""
  block = {
    'norm1.weight': (width,),
    'norm1.bias': (width,),
    'attn.qkv.weight': (3 * width, width),
    'attn.qkv.bias': (3 * width,),
    'attn.proj.weight': (width, width),
    'attn.proj.bias': (width,),
    'norm2.weight': (width,),
    'norm2.bias': (width,),
    'mlp.fc1.weight': (4 * width, width),
    'mlp.fc1.bias': (4 * width,),
    'mlp.fc2.weight': (width, 4 * width),
    'mlp.fc2.bias': (width,),
  }
  shapes = {
    'cls_token': (1, 1, width),
    'pos_embed': (1, 5, width),
    'patch_embed.proj.weight': (width, 3, 4, 4),
    'patch_embed.proj.bias': (width,),
    'norm.weight': (width,),
    'norm.bias': (width,),
  }
  for i in range(depth):
    shapes |= {f'blocks.{i}.{name}': shape for name, shape in block.items()}
  return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def save_torch(arrays, path):
  torch = pytest.importorskip('torch')
  torch.save({name: torch.from_numpy(a) for name, a in arrays.items()}, path)


def save_shards(arrays, path):
  """Writes a folder with two files and their index."""
  path.mkdir(exist_ok=True)
  names = sorted(arrays)
  files = {}
  for file, part in (('a', names[::2]), ('b', names[1::2])):
    safetensors.numpy.save_file({n: arrays[n] for n in part}, path / file)
    files |= dict.fromkeys(part, file)
  index = path / 'model.safetensors.index.json'
  index.write_text(json.dumps({'weight_map': files}))


def size_of(path):
  files = path.iterdir() if path.is_dir() else [path]
  return sum(file.stat().st_size for file in files)


def peak(path):
  """Returns the most bytes that a conversion has had in memory."""
  out = path.with_name('out.safetensors')
  ran = subprocess.run(
    [
      sys.executable,
      '-c',
      CONVERT,
      '--from=mae',
      '--set',
      'heads=1',
      str(path),
      str(out),
    ],
    check=True,
    capture_output=True,
    text=True,
  )
  out.unlink()
  return int(ran.stdout.split('peak')[-1]) * 1024


@pytest.mark.skipif(not os.path.exists(PEAK), reason='Linux says what it was')
@pytest.mark.parametrize(
  'save',
  [
    safetensors.numpy.save_file,
    save_shards,
    pytest.param(save_torch, marks=pytest.mark.torch),
  ],
)
def test_peak_is_less_than_the_file(tmp_path, save):
  path = tmp_path / 'weights'
  save(state(64, 1), path)
  tiny = peak(path)
  save(state(1024, 2), path)
  size = size_of(path)
  assert size > 100e6
  share = (peak(path) - tiny) / size
  shutil.rmtree(path) if path.is_dir() else path.unlink()
  assert share < 0.8
