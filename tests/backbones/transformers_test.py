"""Against the models of Hugging Face's transformers, on random weights.

Everything within 1e-4, in float32; activations are of the order of 1.
"""

import huggingface
import numpy as np
import pytest
import torchvision_build

from vidpetl.backbones import vit, vivit

torch = pytest.importorskip('torch')
torchvision_build.load()
transformers = pytest.importorskip('transformers')
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def seeded():
  torch.manual_seed(0)


def test_clip():
  config = transformers.CLIPVisionConfig(patch_size=8, **huggingface.SIZES)
  model, w = huggingface.model_and_weights(transformers.CLIPVisionModel, config)
  params = huggingface.clip_params(w)
  x = huggingface.video(3)
  out = huggingface.apply(
    vit.build(kind='clip', patch=8, **huggingface.FIELDS), params, x
  )
  images = torch.from_numpy(
    x.reshape(6, huggingface.IMAGE, huggingface.IMAGE, 3).transpose(0, 3, 1, 2)
  )
  theirs = model(images)
  huggingface.close(
    out.summary, theirs.pooler_output.reshape(2, 3, huggingface.D).mean(1)
  )
  patches = model.post_layernorm(theirs.last_hidden_state[:, 1:])
  huggingface.close(out.grid, patches.reshape(2, 3, 3, 3, huggingface.D))


def tubelets(w):
  name = 'embeddings.patch_embeddings.projection'
  return {
    'kernel': w[f'{name}.weight'].transpose(2, 3, 4, 1, 0),
    'bias': w[f'{name}.bias'],
  }


def test_videomae():
  config = transformers.VideoMAEConfig(
    patch_size=8, num_frames=4, use_mean_pooling=True, **huggingface.SIZES
  )
  model, w = huggingface.model_and_weights(transformers.VideoMAEModel, config)
  params = {
    'embedding': tubelets(w),
    'Transformer': {
      f'encoderblock_{i}': huggingface.block(
        w,
        *(f'{at}.attention.attention.{n}' for n in ('query', 'key', 'value')),
        f'{at}.attention.output.dense',
        [f'{at}.intermediate.dense', f'{at}.output.dense'],
        [f'{at}.layernorm_before', f'{at}.layernorm_after'],
      )
      for i in range(huggingface.LAYERS)
      for at in [f'encoder.layer.{i}']
    },
    'norm': {'scale': np.ones(huggingface.D), 'bias': np.zeros(huggingface.D)},
  }
  x = huggingface.video(4)
  # Theirs has LayerNorms of 1e-12; the published code has 1e-6.
  ours = vit.build(
    kind='videomae', patch=8, epsilon=1e-12, **huggingface.FIELDS
  )
  out = huggingface.apply(ours, params, x)
  theirs = model(torch.from_numpy(x.transpose(0, 1, 4, 2, 3).copy()))
  last = torch.nn.functional.layer_norm(
    theirs.last_hidden_state, (huggingface.D,)
  )
  huggingface.close(out.grid, last.reshape(2, 2, 3, 3, huggingface.D))
  pooled = theirs.last_hidden_state.mean(1)
  huggingface.close(
    out.summary, torch.nn.functional.layer_norm(pooled, (huggingface.D,))
  )


def test_vivit():
  config = transformers.VivitConfig(
    tubelet_size=[2, 8, 8], num_frames=4, **huggingface.SIZES
  )
  model, w = huggingface.model_and_weights(transformers.VivitModel, config)
  params = {
    'embedding': tubelets(w),
    'cls': w['embeddings.cls_token'],
    'Transformer': {
      'posembed_input': {'pos_embedding': w['embeddings.position_embeddings']},
      **{
        f'encoderblock_{i}': huggingface.block(
          w,
          *(f'{at}.attention.{n}_proj' for n in 'qkvo'),
          [f'{at}.mlp.fc1', f'{at}.mlp.fc2'],
          [f'{at}.layernorm_before', f'{at}.layernorm_after'],
        )
        for i in range(huggingface.LAYERS)
        for at in [f'layers.{i}']
      },
      'encoder_norm': huggingface.norm(w, 'layernorm'),
    },
  }
  x = huggingface.video(4)
  ours = vivit.build(
    attention='spacetime',
    classifier='token',
    tubelet=(2, 8, 8),
    **huggingface.FIELDS,
  )
  out = huggingface.apply(ours, params, x)
  theirs = model(torch.from_numpy(x.transpose(0, 1, 4, 2, 3).copy()))
  huggingface.close(out.summary, theirs.last_hidden_state[:, 0])
  huggingface.close(
    out.grid, theirs.last_hidden_state[:, 1:].reshape(2, 2, 3, 3, huggingface.D)
  )
