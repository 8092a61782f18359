"""SlowFast's files, by three sets of names, against plain layers."""

import pickle

import converted
import numpy as np
import pytest

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

import slowfast_models as models  # noqa: E402

TINY = {'width': 8, 'depths': (1, 1, 1, 2)}
FULL = {'width': 64, 'depths': (3, 4, 6, 3)}
BOTH = {'alpha': 4, 'lateral': 7}


def net(**options):
  return converted.randomise(models.SlowFast(**{**TINY, **options}))


def expected(model, video):
  """What the head of PySlowFast reads, pooled over time alone."""
  with torch.no_grad():
    x = model(torch.from_numpy(video.transpose(0, 4, 1, 2, 3)))
  pooled = torch.cat([volume.mean(2) for volume in x], 1)
  return pooled.numpy().transpose(0, 2, 3, 1)


def save_pyslowfast(state, path):
  """As PySlowFast saves."""
  torch.save(
    {
      'epoch': 3,
      'model_state': state,
      'optimizer_state': {'state': {}},
      'cfg': 'MODEL:\n  ARCH: slowfast\n',
    },
    path,
  )


def save_caffe2(state, path):
  path.write_bytes(pickle.dumps(models.caffe2(state), protocol=2))


WAYS = {
  'slowfast': save_pyslowfast,
  'caffe2': save_caffe2,
  'slowfast_pytorchvideo': lambda state, path: torch.save(
    {'model_state': models.pytorchvideo(state)}, path
  ),
  'slow_pytorchvideo': lambda state, path: torch.save(
    {'model_state': models.pytorchvideo(state, 'blocks.5.proj')}, path
  ),
  'slowfast_detection': lambda state, path: torch.save(
    {
      'model_state': {
        name if name.startswith('detection') else f'model.{name}': value
        for name, value in models.pytorchvideo(
          state, 'detection_head.proj'
        ).items()
      }
    },
    path,
  ),
}


@pytest.mark.parametrize(
  'way, options, shape',
  [
    ('slowfast', {'alpha': 8, 'lateral': 5}, (16, 64, 64)),
    ('caffe2', BOTH, (8, 64, 64)),
    ('caffe2', {}, (4, 64, 64)),
    ('slowfast_pytorchvideo', BOTH, (12, 33, 64)),
    ('slow_pytorchvideo', {'dilated': True}, (3, 64, 47)),
    ('slowfast_detection', {**BOTH, 'dilated': True}, (8, 64, 64)),
    pytest.param(
      *('slowfast', {**FULL, **BOTH}, (32, 224, 224)),
      marks=pytest.mark.published,
    ),
  ],
)
def test_features(tmp_path, way, options, shape):
  model = net(**options)
  path = tmp_path / 'SLOWFAST.file'
  WAYS[way](model.state_dict(), path)
  video = converted.video(1, *shape, 3)
  family = 'slowfast' if way == 'caffe2' else way
  told = {'dilated': True} if options.get('dilated') else {}
  told = {} if family == 'slowfast_detection' else told
  ours, report = converted.encode(
    family, path, video, tmp_path, settings=told, head='k'
  )
  assert not report.wrong
  theirs = expected(model, video)
  assert converted.relative_error(ours.grid.mean(1), theirs) < 1e-5
  assert converted.relative_error(ours.summary, theirs.mean((1, 2))) < 1e-5
  backbone = published.read_metadata(str(tmp_path / f'{family}.safetensors'))
  assert backbone['backbone'].get('alpha') == options.get('alpha')
  assert backbone['backbone']['dilated'] == options.get('dilated', False)


@pytest.mark.parametrize('way', [w for w in WAYS if w != 'caffe2'])
def test_round_trip_is_exact(tmp_path, way):
  both = {} if way == 'slow_pytorchvideo' else BOTH
  state = net(**both).state_dict()
  path = tmp_path / 'net.pyth'
  WAYS[way](state, path)
  back = converted.round_trip(way, path, tmp_path, head='k')
  saved = torch.load(path)['model_state']
  saved = {
    k: v for k, v in saved.items() if not k.endswith('num_batches_tracked')
  }
  assert back.keys() == saved.keys()
  for name, value in saved.items():
    np.testing.assert_array_equal(back[name], value.numpy(), name)


def refused(tmp_path, state, match):
  path = tmp_path / 'net.pyth'
  save_pyslowfast(state, path)
  with pytest.raises(WeightsError, match=match):
    convert.import_file('slowfast', str(path), str(tmp_path / 'x'))


def test_relatives_of_other_kernels_are_refused(tmp_path):
  """C2D, I3D and R101_50_50 have the same names."""
  state = net(**BOTH).state_dict()
  name = 's4.pathway0_res0.branch2.a.weight'
  state[name] = state[name][:, :, :1]
  refused(tmp_path, state, r'stage 3, slow_stage3_block0 see 1 frames.*R101_50')
  state = net().state_dict()
  name = 's1.pathway0_stem.conv.weight'
  state[name] = state[name].repeat(1, 1, 5, 1, 1)
  refused(tmp_path, state, 'of the stem see 5 frames.*I3D')


def test_non_local_blocks_are_refused(tmp_path):
  state = net().state_dict()
  state['s3.pathway0_nonlocal1.conv_theta.weight'] = torch.ones(4, 8, 1, 1, 1)
  refused(tmp_path, state, 'non-local blocks, such as s3.pathway0_nonlocal1')
