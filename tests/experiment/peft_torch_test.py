"""peft reads what is written for it, and computes the same."""

import huggingface
import jax
import numpy as np
import packages
import pytest
import torchvision_build

from vidpetl.backbones import site
from vidpetl.data import augment
from vidpetl.experiment import adapters
from vidpetl.experiment.peft import writing
from vidpetl.parameters import trainable

torch = pytest.importorskip('torch')
torchvision_build.load()
transformers = pytest.importorskip('transformers')
peft = pytest.importorskip('peft')
pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
  'method, options',
  [
    ('lora', {'rank': 2, 'alpha': 6.0, 'to': 'qkv'}),
    ('lora', {'rank': 2, 'alpha': 6.0, 'to': 'k', 'sites': site.DENSE}),
    (
      'lora',
      {'targets': 'query|out|Dense_0', 'ranks': ('out:3',), 'rslora': True},
    ),
    ('lora', {'targets': '.*/(value|Dense_1)$', 'dora': True}),
    ('ia3', {}),
    ('ia3', {'sites': ('attn_qkv', 'attn_out', 'mlp_fc1', 'mlp_hidden')}),
  ],
)
def test_logits_of_a_package_in_peft(method, options, tmp_path):
  torch.manual_seed(0)
  size = {**huggingface.SIZES, 'patch_size': 8, 'image_size': 16}
  model, w = huggingface.model_and_weights(
    transformers.CLIPForImageClassification,
    transformers.CLIPConfig(vision_config=size, num_labels=3),
  )
  prefix = 'vision_model.'
  own = {k[len(prefix) :]: v for k, v in w.items() if k.startswith(prefix)}
  backbone = trainable.flatten({'backbone': huggingface.clip_params(own)})
  config = packages.make_config('clip', method, **options)
  config.backbone.update(huggingface.FIELDS)
  described, params = packages.pack(config)
  packed = adapters.pack(
    described.config,
    {**params, **backbone},
    packages.trained(config)[0].group_of,
  )
  writing.write(str(tmp_path), packed, prefix, backbone)
  theirs = peft.PeftModel.from_pretrained(model, str(tmp_path)).eval()

  ours = adapters.Adapters(backbone)
  ours.load(packed, 'a')
  logits = ours.logits('a', packages.CLIPS)
  batch = {**packages.CLIPS, 'size': np.full((2, 2), 16, np.int32)}
  video = augment.preprocess(batch, augment.Augment(), train=False)['video']
  images = np.array(jax.device_get(video)).reshape(8, 16, 16, 3)
  with torch.no_grad():
    pooled = theirs.base_model.model.vision_model(
      torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    ).pooler_output
    expected = theirs.base_model.model.classifier(
      pooled.reshape(2, 4, -1).mean(1)
    )
  huggingface.close(logits, expected)
  assert (
    np.abs(logits - ours.logits('a', packages.CLIPS, scale=0.0)).max() > 0.02
  )


MODELS = {
  'videomae': (
    transformers.VideoMAEConfig,
    transformers.VideoMAEForVideoClassification,
    'videomae.',
  ),
  'vivit': (
    transformers.VivitConfig,
    transformers.VivitForVideoClassification,
    'vivit.',
  ),
}


@pytest.mark.parametrize('backbone', MODELS)
@pytest.mark.parametrize(
  'method, options',
  [
    ('lora', {'rank': 2, 'sites': site.DENSE}),
    ('lora', {'rank': 2, 'sites': ('mlp_fc2',)}),
    ('ia3', {}),
  ],
)
def test_peft_finds_every_module_and_no_other(
  backbone, method, options, tmp_path
):
  packed, _ = packages.pack(packages.make_config(backbone, method, **options))
  configuration, model, prefix = MODELS[backbone]
  size = {
    'hidden_size': 8,
    'num_attention_heads': 2,
    'num_hidden_layers': 1,
    'intermediate_size': 8,
  }
  shapes = writing.write(str(tmp_path), packed, prefix)
  theirs = peft.PeftModel.from_pretrained(
    model(configuration(**size, num_labels=3)), str(tmp_path)
  )
  found = peft.get_peft_model_state_dict(theirs)
  assert {k: tuple(v.shape) for k, v in found.items()} == shapes
