"""peft reads what is written for it, and computes the same."""

import huggingface
import jax
import numpy as np
import packages
import pytest
import torchvision_build

from vidpetl.data import augment
from vidpetl.experiment import adapters, peft_format
from vidpetl.parameters import trainable

torch = pytest.importorskip('torch')
torchvision_build.load()
transformers = pytest.importorskip('transformers')
peft = pytest.importorskip('peft')
pytestmark = pytest.mark.torch


def test_logits_of_a_package_in_peft(tmp_path):
  torch.manual_seed(0)
  size = {**huggingface.SIZES, 'patch_size': 8, 'image_size': 16}
  model, w = huggingface.model_and_weights(
    transformers.CLIPForImageClassification,
    transformers.CLIPConfig(vision_config=size, num_labels=3),
  )
  prefix = 'vision_model.'
  own = {k[len(prefix) :]: v for k, v in w.items() if k.startswith(prefix)}
  backbone = trainable.flatten({'backbone': huggingface.clip_params(own)})
  config = packages.make_config('clip', 'lora', rank=2, alpha=6.0, to='qkv')
  config.backbone.update(huggingface.FIELDS)
  described, params = packages.pack(config)
  packed = adapters.pack(
    described.config,
    {**params, **backbone},
    packages.trained(config)[0].group_of,
  )
  peft_format.write(str(tmp_path), packed, prefix)
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
    np.abs(logits - ours.logits('a', packages.CLIPS, scale=0.0)).max() > 0.1
  )
