"""Pictures of a run: Grad-CAM, fusion weights, and the door to both."""

import subprocess
import sys

import experiments
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl import pictures
from vidpetl.backbones import features, site, swin, vit, vivit
from vidpetl.data import clips, decode
from vidpetl.experiment import model as model_lib
from vidpetl.parameters import trainable
from vidpetl.petl import adapted, bindings
from vidpetl.recipes import methods, presets
from vidpetl.studies import explaining, fusion, grad_cam
from vidpetl.tasks import heads
from vidpetl.tasks.quality import segments
from vidpetl.training import loop
from vidpetl.training import run as run_lib

TINY = {
  name: dict(presets.find(preset).tiny)
  for name, preset in (
    ('vit', 'mae_b'),
    ('vivit', 'vivit_b'),
    ('swin', 'swin_t'),
  )
}
SWIN = {**TINY['swin'], 'depths': (1, 1)}


class Toy(nn.Module):
  """Pixels are tokens, their mean is the clip."""

  at: str = 'block_in'

  @nn.compact
  def __call__(self, video, train):
    grid = site.Grid(*video.shape[1:4])
    x = site.site(self.at, grid.flatten(video), grid=grid)
    volume = grid.to_volume(x)[1]
    return features.Features(volume, volume.mean((1, 2, 3)))


def model_of(backbone, classes=3):
  return model_lib.Model(
    backbone,
    heads={'a': heads.ClassificationHead(classes)},
    views={'a': lambda inputs, train: inputs['video']},
    read={'a': lambda head, features, inputs, train: head(features)},
  )


def explain(model, video, kernel=None):
  """Returns logits, maps, and logits without a map; in one program.

  The kernel of the head is drawn if it is not given: it starts at 0.
  """
  inputs = {'video': video}
  place = grad_cam.choose_place(
    adapted.sites(model.backbone, video, train=False)
  )

  @jax.jit
  def run(inputs):
    params = model.init(jax.random.key(0), inputs, 'a')['params']
    head = params['heads_a']['output_projection']
    shape = head['kernel'].shape
    drawn = jax.random.normal(jax.random.key(1), shape)
    head['kernel'] = drawn if kernel is None else kernel
    variables = {'params': params}
    logits, maps = grad_cam.explain(model, variables, inputs, 'a', place)
    return logits, maps, model.apply(variables, inputs, 'a')

  return jax.tree.map(np.asarray, run(inputs))


@pytest.mark.parametrize('at', ['block_in', 'block_out'])
def test_the_place_that_decides_lights_up_and_no_other(at):
  model = model_of(Toy(at))
  video = np.zeros((2, 4, 3, 5, 3), np.float32)
  video[..., 2] = 0.01
  video[0, 1, 2, 3] = 7, 0, 0
  video[1, 3, 0, 4] = 0, 7, 0
  logits, maps, _ = explain(model, video, jnp.eye(3))
  assert logits.argmax(-1).tolist() == [0, 1]
  expected = np.zeros((2, 4, 3, 5))
  expected[0, 1, 2, 3] = expected[1, 3, 0, 4] = 1
  np.testing.assert_array_equal(maps, expected)


def test_of_segments_the_one_that_counts_lights_up():
  cut = lambda inputs, train: segments.cut(inputs['video'], (0, 2), 2)
  first = lambda head, features, inputs, train: head(features).mean(1)
  model = model_of(Toy()).clone(views={'a': cut}, read={'a': first})
  video = np.zeros((1, 4, 3, 5, 3), np.float32)
  video[0, 3, 1, 2] = 7, 0, 0
  inputs, clip = {'video': video}, video[:, :2]
  place = grad_cam.choose_place(
    adapted.sites(model.backbone, clip, train=False)
  )
  variables = {
    'params': {
      'heads_a': {
        'output_projection': {'kernel': jnp.eye(3), 'bias': jnp.zeros(3)}
      }
    }
  }
  _, maps = jax.jit(
    lambda: grad_cam.explain(model, variables, inputs, 'a', place)
  )()
  expected = np.zeros((1, 2, 2, 3, 5))
  expected[0, 1, 1, 1, 2] = 1
  np.testing.assert_array_equal(maps, expected)


def test_maps_are_those_of_the_formula():
  model = model_of(Toy())
  random = np.random.default_rng(0)
  video = random.normal(size=(3, 2, 4, 4, 3)).astype(np.float32)
  kernel = random.normal(size=(3, 3)).astype(np.float32)
  logits, maps, _ = explain(model, video, kernel)
  for clip, scores, found in zip(video, logits, maps):
    expected = np.maximum(clip @ kernel[:, scores.argmax()], 0)
    np.testing.assert_allclose(found, expected / expected.max(), atol=1e-5)


@pytest.mark.tail(2)
@pytest.mark.parametrize(
  'backbone, method, grid',
  [
    (vit.build(kind='clip', **TINY['vit']), 'mst_adapter', (4, 2, 2)),
    (vit.build(kind='mae', **TINY['vit'], remat=True), 'vpt', (4, 2, 2)),
    (swin.build(**SWIN), 'st_adapter', (2, 4, 4)),
    (vivit.build(**TINY['vivit']), None, (2, 2, 2)),
  ],
  ids=['clip', 'mae', 'swin', 'vivit'],
)
def test_every_backbone_has_a_map(backbone, method, grid):
  if method:
    chosen = {'bottleneck': 4} if 'adapter' in method else {}
    backbone = bindings.bind(backbone, methods.make(method, **chosen)[0])
  model = model_of(backbone)
  video = jax.random.normal(jax.random.key(3), (2, 4, 32, 32, 3))
  logits, maps, expected = explain(model, video)
  np.testing.assert_allclose(logits, expected, atol=1e-5)
  assert maps.shape == (2, *grid)
  assert np.isfinite(maps).all()
  assert maps.max() == pytest.approx(1)


def test_a_temporal_encoder_without_space_is_not_looked_at():
  backbone = vivit.build(**TINY['vivit'], temporal='pooled')
  video = jax.ShapeDtypeStruct((1, 4, 32, 32, 3), jnp.float32)
  place = grad_cam.choose_place(adapted.sites(backbone, video, train=False))
  assert place.path == 'SpatialTransformer/encoderblock_0'


def test_without_a_grid_there_is_no_map():
  place = adapted.Place(
    'x', 'block_in', (2, 4, 8), None, site.Grid(4, 1, 1), ()
  )
  with pytest.raises(ValueError, match='this backbone has none'):
    grad_cam.choose_place([place])
  with pytest.raises(ValueError, match='one view of a clip'):
    grad_cam.explain(
      None, {}, {'video': np.zeros((1, 2, 4, 8, 8, 3))}, 'a', place
    )


def test_frames_have_the_map_of_their_tubelet():
  heat = np.zeros((2, 2, 2), np.float32)
  heat[1, 0, 1] = 1
  frames = grad_cam.to_frames(heat, 6, 8)
  assert frames.shape == (6, 8, 8)
  assert not frames[:3].any()
  assert frames[3:, 0, 7].tolist() == [1, 1, 1]
  np.testing.assert_array_equal(frames[3], frames[5])


def test_at_most_eight_frames_are_drawn():
  frames = np.zeros((32, 8, 8, 3), np.uint8)
  example = grad_cam.Example(frames, np.zeros((32, 8, 8)), 'run', 'sit', 0.5)
  picture = grad_cam.draw([example, example])
  rows = picture.subfigs
  assert [len(row.axes) for row in rows] == [8, 8]
  assert rows[0].axes[-1].get_xlabel() == 'frame 32'
  assert 'true: run    predicted: sit 0.50' in rows[0].get_suptitle()


def test_fusion_weights_by_layer():
  """Of two adapters a block, where only the second of two blocks is bound."""
  entries, _ = methods.make('mst_adapter', bottleneck=4, where='block_1')
  fields = {**TINY['vit'], 'depth': 2}
  backbone = bindings.bind(vit.build(kind='clip', **fields), entries)
  video = jnp.zeros((1, 4, 32, 32, 3))
  shapes = jax.eval_shape(
    lambda: backbone.init(jax.random.key(0), video, train=False)
  )
  params = trainable.flatten({'backbone': shapes['params']})
  scope = 'backbone/SpatialTransformer/encoderblock_1/site_{}/MSTAdapter/fusion'
  for number, name in enumerate(('attn_residual', 'mlp_residual')):
    params[scope.format(name)] = np.array([0.1, 0.2, 0.5]) + number
  places = adapted.sites(backbone, video, train=False)
  found = fusion.read(params, places)
  assert [(f.adapter, f.layer) for f in found] == [
    ('attn_residual/MSTAdapter', 2),
    ('mlp_residual/MSTAdapter', 2),
  ]
  assert found[1].weights == {(3, 1, 1): 1.1, (5, 1, 1): 1.2, (7, 1, 1): 1.5}
  first, second = fusion.draw(found).axes
  assert first.get_title() == 'attn_residual/MSTAdapter'
  lines = {line.get_label(): line for line in second.get_lines()}
  assert lines['5 x 1 x 1'].get_xydata().tolist() == [[2, 1.2]]
  assert fusion.read({}, places) == []


@pytest.mark.slow
def test_door(make_config, config_file, tmp_path, monkeypatch, capsys):
  """On a run with MST-Adapters, then on what cannot be drawn."""
  config = make_config('kinetics400', steps=1)
  config.unlock()
  config.petl, config.trainable = methods.make(
    'mst_adapter', bottleneck=4, shift=False
  )
  config.lock()
  workdir = tmp_path / 'run'
  with pytest.raises(ValueError, match='train with this --workdir first'):
    pictures.draw(config, str(workdir))
  assert not workdir.exists()
  loop.run(config, str(workdir))
  door = [sys.executable, '-m', 'vidpetl.pictures']
  flags = [f'--config={config_file(config)}', f'--workdir={workdir}']
  done = subprocess.run(
    [*door, *flags, '--examples=1'],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert not done.returncode, done.stderr
  assert 'Step 1 of' in done.stdout
  for name in ('fusion_weights', 'grad_cam_kinetics400'):
    path = workdir / 'pictures' / f'{name}.png'
    assert str(path) in done.stdout
    assert path.stat().st_size > 5000
  run = run_lib.prepare(config)
  for wanted, match in (
    ('7', 'has no such checkpoint; it has those of steps 1'),
    ('best', 'has no such checkpoint'),
    ('last', "is not 'latest', 'best' or the number"),
  ):
    with pytest.raises(ValueError, match=match):
      explaining.restore(run, str(workdir), wanted)
  other = config.copy_and_resolve_references().unlock()
  other.backbone.width = 16
  with pytest.raises(ValueError, match='has other values of backbone: give'):
    explaining.check_same_model(other, str(workdir))
  with pytest.raises(ValueError, match='this config has kinetics400'):
    explaining.choose_tasks(run, 'ava')

  def load(source, i, *args, **options):
    if i == 0:
      raise decode.DecodeError('a.mp4', 'is cut off')
    return clips_load(source, i, *args, **options)

  clips_load = clips.load
  monkeypatch.setattr(clips, 'load', load)
  last = len(run.evaluation['kinetics400']) - 1
  chosen = explaining.spread(run, 'kinetics400', 3)
  batches = list(explaining.read_clips(run, 'kinetics400', chosen))
  rows = [int(i) for b in batches for i in b['index'][b['valid']]]
  assert len(rows) == 2
  assert rows[-1] == last
  assert 'left out, cannot be decoded: a.mp4: is cut off' in (
    capsys.readouterr().out
  )
