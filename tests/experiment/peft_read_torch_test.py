"""What peft saves is read as peft computes it, or refused by name."""

import dataclasses

import flax.linen as nn
import huggingface
import jax
import numpy as np
import packages
import pytest
import torchvision_build

from vidpetl.backbones import convolution, layers
from vidpetl.data import augment
from vidpetl.experiment import adapters
from vidpetl.experiment.peft import fields, reading
from vidpetl.parameters import trainable
from vidpetl.petl import bindings

torch = pytest.importorskip('torch')
torchvision_build.load()
transformers = pytest.importorskip('transformers')
peft = pytest.importorskip('peft')
pytestmark = pytest.mark.torch

# Every field of peft's configs that means more than LoRA, with such a value.
REFUSED = {
  'bias': 'all',
  'fan_in_fan_out': True,
  'init_lora_weights': 'pissa_niter_4',
  'megatron_config': {'a': 1},
  'trainable_token_indices': [1],
  'loftq_config': {'loftq_bits': 4},
  'corda_config': {'corda_method': 'ipm'},
  'lora_ga_config': {'direction': 'x'},
  'velora_config': {'scale': 1.0},
  'alora_invocation_tokens': [1],
  'use_qalora': True,
  'monteclora_config': {'a': 1},
  'layer_replication': [[0, 1]],
  'lora_bias': True,
  'target_parameters': ['weight'],
  'use_bdlora': {'nblocks': 2},
  'arrow_config': {'top_k': 3},
  'kasa_config': {'beta': 1e-4},
  'ensure_weight_tying': True,
}
# Those that say where, how strongly, or nothing that is computed.
READ = {
  *('task_type', 'peft_type', 'auto_mapping', 'peft_version', 'revision'),
  *('base_model_name_or_path', 'inference_mode', 'runtime_config'),
  *(
    'r',
    'rank_pattern',
    'lora_alpha',
    'alpha_pattern',
    'use_rslora',
    'use_dora',
  ),
  *('target_modules', 'exclude_modules', 'feedforward_modules'),
  *('layers_to_transform', 'layers_pattern', 'modules_to_save'),
  *('lora_dropout', 'eva_config', 'init_ia3_weights'),
  *('megatron_core', 'qalora_group_size'),
}


def test_every_field_of_the_installed_peft_is_decided():
  own = {
    field.name
    for config in (peft.LoraConfig, peft.IA3Config)
    for field in dataclasses.fields(config)
  }
  assert own <= REFUSED.keys() | READ, 'a field that nobody has looked at'
  for field, value in REFUSED.items():
    assert not fields.is_plain(field, value), field
  for field in READ:
    assert fields.is_plain(field, 'anything'), field


def test_what_an_untouched_config_holds_is_plain(tmp_path):
  for config in (peft.LoraConfig(r=2), peft.IA3Config()):
    for field, value in config.to_dict().items():
      assert fields.is_plain(field, value), field


def clip():
  """A CLIP of two blocks with a classifier, and our parameters of both."""
  torch.manual_seed(0)
  size = {**huggingface.SIZES, 'patch_size': 8, 'image_size': 16}
  model, w = huggingface.model_and_weights(
    transformers.CLIPForImageClassification,
    transformers.CLIPConfig(vision_config=size, num_labels=3),
  )
  prefix = 'vision_model.'
  own = {
    k[len(prefix) :]: v.copy() for k, v in w.items() if k.startswith(prefix)
  }
  head = 'heads_own/output_projection/'
  return model, {
    **trainable.flatten({'backbone': huggingface.clip_params(own)}),
    head + 'kernel': w['classifier.weight'].T.copy(),
    head + 'bias': w['classifier.bias'].copy(),
  }


def randomise(model):
  with torch.no_grad():
    for name, value in model.named_parameters():
      if 'lora_' in name or 'modules_to_save' in name or 'ia3_l' in name:
        value.normal_(0, 0.3)


def expected(model):
  """Returns what the classifier makes of the mean of frames' summaries."""
  batch = {**packages.CLIPS, 'size': np.full((2, 2), 16, np.int32)}
  video = augment.preprocess(batch, augment.Augment(), train=False)['video']
  images = np.array(jax.device_get(video)).reshape(8, 16, 16, 3)
  own = model.base_model.model.eval()
  with torch.no_grad():
    pooled = own.vision_model(
      torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    ).pooler_output
    return own.classifier(pooled.reshape(2, 4, -1).mean(1)).numpy()


def ours(folder, base):
  """Returns our logits of what peft has saved, as from_peft reads it."""
  config = packages.make_config('clip', 'head')
  config.backbone.update(huggingface.FIELDS)
  config.petl = reading.read_config(str(folder), huggingface.LAYERS)
  config.trainable = (('^heads_|/site_', 'all'), ('.*', 'frozen'))
  described, params = packages.pack(config)
  shapes = {k: v.shape for k, v in params.items()}
  found = reading.read(str(folder), shapes, base)
  assert {p for p in described.params if '/site_' in p} <= set(found)
  packed = adapters.pack(
    described.config,
    {**params, **base, **found},
    packages.trained(config)[0].group_of,
  )
  loaded = adapters.Adapters(packages.backbone_of(base))
  loaded.load(packed, 'a')
  return np.asarray(loaded.logits('a', packages.CLIPS))


LORA = {
  'r': 2,
  'lora_alpha': 6,
  'target_modules': ['q_proj', 'v_proj', 'fc2'],
  'modules_to_save': ['classifier'],
}


@pytest.mark.parametrize(
  'options',
  [
    {'lora_dropout': 0.1, 'init_lora_weights': 'gaussian'},
    {'use_rslora': True, 'rank_pattern': {'fc2': 5}},
    {'target_modules': r'vision_model.*\.1\.(mlp\.fc1|.*out_proj)'},
    {'layers_to_transform': [1], 'layers_pattern': 'layers'},
    {'exclude_modules': r'.*0\.self_attn\.v_proj'},
    {
      'rank_pattern': {r'layers\.0\.self_attn\.q_proj': 4, 'fc2': 1},
      'alpha_pattern': {'q_proj': 2, r'layers\.1\.mlp\.fc2': 9},
    },
    {'init_lora_weights': 'orthogonal', 'target_modules': 'all-linear'},
    {'use_dora': True, 'use_rslora': True, 'rank_pattern': {'fc2': 5}},
    {
      'use_dora': True,
      'target_modules': r'.*\.(0\.mlp\.fc1|1\..*out_proj|\d\..*k_proj)',
    },
  ],
)
def test_logits_of_what_peft_saves(options, tmp_path):
  base, params = clip()
  options = {**LORA, **options}
  model = peft.get_peft_model(base, peft.LoraConfig(**options))
  randomise(model)
  model.save_pretrained(tmp_path)
  theirs = expected(model)
  with model.disable_adapter():
    assert np.abs(theirs - expected(model)).max() > 0.05
  np.testing.assert_allclose(ours(tmp_path, params), theirs, atol=1e-5)


def test_logits_of_vectors_that_peft_saves(tmp_path):
  base, params = clip()
  config = peft.IA3Config(
    target_modules=['k_proj', 'v_proj', 'fc2'],
    feedforward_modules=['fc2'],
    modules_to_save=['classifier'],
  )
  model = peft.get_peft_model(base, config)
  randomise(model)
  model.save_pretrained(tmp_path)
  np.testing.assert_allclose(ours(tmp_path, params), expected(model), atol=1e-5)


@pytest.mark.parametrize(
  'init, more',
  [
    ('pissa', {'rank_pattern': {'fc2': 3}, 'alpha_pattern': {'fc2': 2}}),
    ('pissa', {'use_rslora': True, 'use_dora': True}),
    ('olora', {}),
  ],
)
def test_a_start_in_the_weights_is_undone(init, more, tmp_path):
  """As peft does when it loads such a file; its own conversion is plain."""
  base, params = clip()
  # The conversion drops the modules to save.
  options = {**LORA, 'modules_to_save': None, **more}
  config = peft.LoraConfig(**options, init_lora_weights=init)
  model = peft.get_peft_model(base, config)
  with torch.no_grad():
    for name, value in model.named_parameters():
      if 'lora_' in name:
        value.add_(0.2 * torch.randn_like(value))
  model.save_pretrained(tmp_path)
  again = peft.PeftModel.from_pretrained(clip()[0], str(tmp_path))
  np.testing.assert_allclose(expected(again), expected(model), atol=1e-5)
  np.testing.assert_allclose(ours(tmp_path, params), expected(model), atol=1e-4)


class Patches(torch.nn.Module):
  """Two convolutions in time and space, the second one of overlapping steps."""

  def __init__(self):
    super().__init__()
    self.patches = torch.nn.Conv3d(3, 4, (2, 2, 2), (2, 2, 2))
    self.conv = torch.nn.Conv3d(4, 6, (3, 3, 3), 2, 1, bias=False)

  def forward(self, x):
    return self.conv(self.patches(x))


class OurPatches(nn.Module):
  @nn.compact
  def __call__(self, video):
    x = layers.Embedding(4, (2, 2, 2), name='patches')(video)
    return convolution.Conv(6, (3, 3, 3), (2, 2, 2), name='conv')(x)


@pytest.mark.parametrize('dora', [False, True])
def test_convolutions_are_as_those_of_peft(dora):
  torch.manual_seed(0)
  named = {'target_modules': ['patches', 'conv'], 'use_dora': dora}
  config = peft.LoraConfig(r=2, lora_alpha=3, rank_pattern={'conv': 3}, **named)
  theirs = peft.get_peft_model(Patches(), config)
  video = np.random.default_rng(0).normal(size=(1, 4, 8, 8, 3)).astype('f')
  randomise(theirs)
  w = {
    name.removeprefix('base_model.model.').replace('.default', ''): x
    for name, x in theirs.state_dict().items()
  }
  kernel = lambda x: x.numpy().transpose(2, 3, 4, 1, 0)
  params = {'patches/bias': w['patches.base_layer.bias'].numpy()}
  for name in ('patches', 'conv'):
    own = kernel(w[f'{name}.base_layer.weight'])
    params[f'{name}/kernel'] = own
    here = f'{name}/site_layer/LoRA'
    a, b = (kernel(w[f'{name}.lora_{x}.weight']) for x in 'AB')
    params[f'{here}/a'] = a.reshape(-1, a.shape[-1])
    params[f'{here}/b'] = b.reshape(b.shape[-2:])
    if dora:
      length = np.linalg.norm(own.reshape(-1, own.shape[-1]), axis=0)
      magnitude = w[f'{name}.lora_magnitude_vector.weight'].numpy().ravel()
      params[f'{here}/magnitude'] = magnitude - length
  entry = {'site': 'layer', 'technique': 'lora', 'rank': 2, 'alpha': 3.0}
  entry |= {'per': (('conv', {'rank': 3}),), 'dora': dora}
  model = bindings.bind(OurPatches(), [entry])
  found = model.apply({'params': trainable.unflatten(params)}, video)
  with torch.no_grad():
    given = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
    wanted = theirs.eval()(given).numpy().transpose(0, 2, 3, 4, 1)
  np.testing.assert_allclose(found, wanted, atol=1e-5)
