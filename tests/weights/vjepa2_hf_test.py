"""V-JEPA 2 at Hugging Face, from files that transformers writes."""

import json

import converted
import handed
import jax
import numpy as np
import pytest
import torchvision_build

from vidpetl import backbones, convert
from vidpetl.experiment import published
from vidpetl.parameters import trainable
from vidpetl.recipes import presets
from vidpetl.weights.errors import WeightsError

transformers = pytest.importorskip('transformers')
torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def torchvision():
  torchvision_build.load()


def config(**options):
  sizes = {
    'patch_size': 8,
    'crop_size': 32,
    'frames_per_clip': 4,
    'hidden_size': 32,
    'num_attention_heads': 2,
    'num_hidden_layers': 2,
    'mlp_ratio': 1.5,
    'pred_hidden_size': 24,
    'pred_num_attention_heads': 2,
    'pred_num_hidden_layers': 1,
  }
  return transformers.VJEPA2Config(**(sizes | options))


def model(kind='VJEPA2Model', **options):
  return converted.randomise(getattr(transformers, kind)(config(**options)))


def to_torch(video):
  return torch.from_numpy(video.transpose(0, 1, 4, 2, 3).copy())


def tokens_of(net, video, **options):
  """Returns tokens of clips of that side, which the config has to say."""
  sizes = {**options, 'crop_size': video.shape[2]}
  same = transformers.VJEPA2Model(config(**sizes))
  same.load_state_dict(net.state_dict())
  with torch.no_grad():
    return same.eval().get_vision_features(to_torch(video)).numpy()


LARGE = {
  'patch_size': 16,
  'crop_size': 256,
  'hidden_size': 1024,
  'num_attention_heads': 16,
  'num_hidden_layers': 24,
  'mlp_ratio': 4.0,
}


@pytest.mark.parametrize(
  'frames, side, sizes',
  [
    (4, 32, {}),
    (6, 48, {}),
    pytest.param(2, 256, LARGE, marks=pytest.mark.published),
  ],
)
def test_features_of_one_file_and_of_shards(frames, side, sizes, tmp_path):
  net = model(**sizes)
  size = '40KB' if frames == 6 else '5GB'
  net.save_pretrained(tmp_path / 'model', max_shard_size=size)
  files = list((tmp_path / 'model').glob('*.safetensors'))
  assert (len(files) > 1) == (frames == 6)
  video = converted.video(1, frames, side, side, 3)
  ours, report = converted.encode(
    'vjepa2_hf', tmp_path / 'model', video, tmp_path
  )
  assert not report.wrong
  theirs = tokens_of(net, video, **sizes).reshape(ours.grid.shape)
  error = converted.relative_error(ours.grid, theirs)
  assert error < 1e-5, error
  left = [r.theirs for r in report.rows if r.status == 'left out']
  assert left and all(name.startswith('predictor.') for name in left)
  said = published.read_metadata(str(tmp_path / 'vjepa2_hf.safetensors'))
  found = said['backbone']
  wanted = net.config.hidden_size * net.config.mlp_ratio
  assert found['heads'] == net.config.num_attention_heads
  assert found['mlp'] == wanted


def test_round_trip_is_exact_and_transformers_takes_it(tmp_path):
  net = model()
  net.save_pretrained(tmp_path / 'theirs')
  path = tmp_path / 'theirs'
  back = converted.round_trip(
    'vjepa2_hf', path, tmp_path, settings={'heads': 2}
  )
  state = net.state_dict()
  assert back.keys() == {n for n in state if n.startswith('encoder.')}
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name], err_msg=name)


def test_logits_of_a_classifier_there_and_back(tmp_path):
  """transformers' probe has the encoder's heads; the published ones have 16."""
  labels = {0: 'a', 1: 'b', 2: 'c'}
  net = model(
    'VJEPA2ForVideoClassification',
    num_attention_heads=4,
    num_pooler_layers=2,
    id2label=labels,
  )
  net.save_pretrained(tmp_path / 'theirs')
  video = converted.video(2, 4, 32, 32, 3)
  ours = converted.classify(
    'vjepa2_hf',
    tmp_path / 'theirs',
    video,
    tmp_path,
    settings={'probe_heads': 4},
  )
  with torch.no_grad():
    theirs = net(to_torch(video)).logits
  assert converted.relative_error(ours, theirs) < 1e-5
  file = str(tmp_path / 'vjepa2_hf.safetensors')
  said = published.read_metadata(file)
  assert said['labels']['k'] == {'0': 'a', '1': 'b', '2': 'c'}
  convert.export_run('vjepa2_hf', file, str(tmp_path / 'back'), 'k')
  again, info = transformers.VJEPA2ForVideoClassification.from_pretrained(
    tmp_path / 'back', output_loading_info=True
  )
  assert {n.split('.')[1] for n in info['missing_keys']} == {'predictor'}
  assert not info['unexpected_keys'] and again.config.id2label == labels
  with torch.no_grad():
    back = again.eval()(to_torch(video)).logits
  assert converted.relative_error(back.numpy(), theirs) < 1e-5


def test_a_probe_of_other_heads_is_no_transformers_class(tmp_path):
  net = model('VJEPA2ForVideoClassification')
  net.save_pretrained(tmp_path / 'theirs')
  out = str(tmp_path / 'ours.safetensors')
  convert.import_file('vjepa2_hf', str(tmp_path / 'theirs'), out, head='k')
  assert published.read_metadata(out)['probes']['k']['heads'] == 16
  with pytest.raises(WeightsError, match=r'16 heads, .* computes 2'):
    convert.export_run('vjepa2_hf', out, str(tmp_path / 'back'), 'k')


def test_a_folder_that_transformers_loads(tmp_path):
  backbone = {
    'name': 'vjepa2', 'kind': 'v2', 'width': 22, 'depth': 1, 'heads': 1,
    'mlp': 96, 'patch': 8, 'tubelet': 2,
  }  # fmt: skip
  clips = (4, 24, 24)
  folder, _, arrays, _ = handed.export(
    'vjepa2_hf', backbone, (2, 3, 3), clips, tmp_path, head=''
  )
  net, info = transformers.VJEPA2Model.from_pretrained(
    folder, output_loading_info=True
  )
  missing = {name.split('.')[0] for name in info['missing_keys']}
  assert missing == {'predictor'} and not info['unexpected_keys']
  assert net.config.crop_size == 24 and net.config.frames_per_clip == 4
  said = json.loads((folder / 'video_preprocessor_config.json').read_text())
  assert said['video_processor_type'] == 'VJEPA2VideoProcessor'
  processor = transformers.AutoVideoProcessor.from_pretrained(folder)
  np.testing.assert_allclose(processor.image_mean, handed.MEAN)
  video = handed.clips(1, *clips)
  with torch.no_grad():
    theirs = net.eval().get_vision_features(to_torch(video)).numpy()
  tree = trainable.unflatten(
    {
      n.removeprefix('backbone/'): a
      for n, a in arrays.items()
      if n.startswith('backbone/')
    }
  )
  ours = jax.jit(
    lambda p: backbones.build(backbone).apply({'params': p}, video, False)
  )(tree)
  theirs = theirs.reshape(ours.grid.shape)
  assert converted.relative_error(ours.grid, theirs) < 1e-5


@pytest.mark.parametrize(
  'name', [n for n in presets.all_presets() if n.startswith('vjepa2')]
)
def test_parameters_of_published_sizes(name):
  """As many as transformers' encoder has, and as the authors print.

  They print one digit: 80M, 300M, 600M, 1B, 2B.
  """
  preset = presets.find(name)
  net = backbones.build(preset.fields)
  block, rest = parameters(backbones.build(preset.fields, depth=1))
  count = rest + net.depth * block
  assert count / 1e6 == pytest.approx(preset.published.parameters, rel=0.09)
  with torch.device('meta'):
    theirs = transformers.VJEPA2Config(
      hidden_size=net.width,
      num_hidden_layers=1,
      num_attention_heads=net.heads,
      mlp_ratio=net.mlp / net.width,
      pred_num_hidden_layers=1,
    )
    encoder = transformers.VJEPA2Model(theirs).encoder
  modality = net.width * (preset.fields['kind'] == 'v2_1')
  numel = sum(p.numel() for p in encoder.parameters())
  assert block + rest == numel + modality


def parameters(net):
  """Returns how many a block has, and all that is around them."""
  video = np.zeros((1, 2, 16, 16, 3), np.float32)
  shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), video, False))
  flat = trainable.flatten(shapes['params'])
  block = sum(x.size for n, x in flat.items() if 'encoderblock_0' in n)
  return block, sum(x.size for x in flat.values()) - block
