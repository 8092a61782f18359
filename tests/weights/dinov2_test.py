"""DINOv2's files against transformers' model and timm's."""

import converted
import numpy as np
import pytest
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def hugging_face():
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.Dinov2Config(
    hidden_size=384,
    num_hidden_layers=2,
    num_attention_heads=6,
    mlp_ratio=2,
    image_size=28,
    patch_size=7,
  )
  return converted.randomise(transformers.Dinov2Model(config))


def timms(**options):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  return converted.randomise(
    timm.models.vision_transformer.VisionTransformer(
      img_size=28,
      patch_size=7,
      embed_dim=384,
      depth=2,
      num_heads=6,
      mlp_ratio=2,
      num_classes=0,
      init_values=1e-5,
      **options,
    )
  )


def frames_of(video):
  flat = video.reshape(-1, *video.shape[2:]).transpose(0, 3, 1, 2)
  return torch.from_numpy(flat.copy())


def agrees(name, net, tokens, tmp_path):
  """Holds a converted net against normalised tokens of frames."""
  path = tmp_path / 'model.pth'
  torch.save(net.state_dict(), path)
  video = converted.video(1, 3, 28, 28, 3)
  ours, report = converted.encode(name, path, video, tmp_path)
  assert not report.wrong
  with torch.no_grad():
    expected = tokens(frames_of(video)).numpy()
  summary = expected[:, 0].mean(0, keepdims=True)
  assert converted.relative_error(ours.summary, summary) < 1e-5
  patches = expected[:, 1:].reshape(1, 3, 4, 4, 384)
  assert converted.relative_error(ours.grid, patches) < 1e-5


def test_features_of_hugging_faces_names(tmp_path):
  net = hugging_face()
  agrees('dinov2_hf', net, lambda x: net(x).last_hidden_state, tmp_path)


def test_features_of_metas_names(tmp_path):
  net = timms()
  agrees('dinov2', net, net.forward_features, tmp_path)
  said = published.read_metadata(str(tmp_path / 'dinov2.safetensors'))
  assert said['backbone']['kind'] == 'dinov2' and said['grid'] == [1, 4, 4]
  assert said['positions'] == 'bicubic'


def test_what_the_backbone_has_not_is_named(tmp_path):
  path, out = tmp_path / 'model.pth', str(tmp_path / 'out.safetensors')
  state = timms().state_dict()

  def load(more):
    torch.save({**state, **more}, path)
    convert.import_file('dinov2', str(path), out)

  with pytest.raises(WeightsError, match='register tokens'):
    load({'register_tokens': torch.ones(1, 4, 384)})
  with pytest.raises(WeightsError, match='SwiGLU'):
    load({'blocks.0.mlp.w12.weight': torch.ones(8, 384)})


def test_it_is_written_as_timms(tmp_path):
  path = tmp_path / 'model.pth'
  first, back = (str(tmp_path / f'{n}.safetensors') for n in 'ab')
  net = timms()
  torch.save(net.state_dict(), path)
  converted.convert_file('dinov2', path, first)
  with pytest.raises(WeightsError, match='--into=timm'):
    convert.export_run('dinov2', first, back, '')
  convert.export_run('timm', first, back, '')
  kept = converted.storage.load_arrays(back)
  x = net.blocks[0].ls1.gamma.detach()
  np.testing.assert_allclose(
    kept['blocks.0.attn.proj.bias'],
    (net.blocks[0].attn.proj.bias.detach() * x).numpy(),
    rtol=1e-6,
  )


def test_a_family_without_a_classifier_says_so(tmp_path):
  path = tmp_path / 'dinov2.pth'
  torch.save(hugging_face().state_dict(), path)
  out = str(tmp_path / 'out.safetensors')
  with pytest.raises(WeightsError, match='has no classifier that is read'):
    convert.import_file('dinov2_hf', str(path), out, head='k')
