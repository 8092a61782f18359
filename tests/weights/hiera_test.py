"""Hiera's files against timm's net, of clips too, and transformers'."""

import functools

import converted
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl.backbones import hiera
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights import family, importing, positions
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

CLIPS = {
  'patch_kernel': (3, 7, 7),
  'patch_stride': (2, 4, 4),
  'patch_padding': (1, 3, 3),
  'q_stride': (1, 2, 2),
  'mask_unit_size': (1, 8, 8),
  'sep_pos_embed': True,
}
TINY = {'embed_dim': 16, 'num_heads': 2, 'stages': (1, 2, 1, 1)}


def timms(*size, **options):
  """timm's net, of which that of clips is a setting."""
  torchvision_build.load()
  import timm  # noqa: PLC0415

  kind = CLIPS if len(size) == 3 else {}
  options = {'num_classes': 5, **TINY, **kind, **options}
  return converted.randomise(timm.models.hiera.Hiera(img_size=size, **options))


def metas(model, norm='norm'):
  """Arrays under the names of Meta's files."""
  return {
    name.replace('head.norm', norm).replace('head.fc', 'head.projection'): array
    for name, array in model.state_dict().items()
  }


def save(path, state):
  torch.save({'model_state': state, 'epoch': 3}, path)
  return path


def features_of(model, video):
  """Returns timm's features of [b, t, h, w, 3]: normalised tokens, a clip."""
  clips = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
  with torch.no_grad():
    tokens = model.forward_features(clips)
    summary = model.forward_head(tokens, pre_logits=True)
    return model.head.norm(tokens).numpy(), summary.numpy()


def agrees(ours, theirs, error=1e-5):
  grid, summary = theirs
  assert converted.relative_error(ours.grid, grid.reshape(ours.grid.shape)) < (
    error
  )
  assert converted.relative_error(ours.summary, summary) < error


encode = functools.partial(converted.encode, settings={'heads': 2})


def test_features_of_clips_at_two_sizes(tmp_path):
  path = save(tmp_path / 'hiera.pth', metas(model := timms(4, 64, 64)))
  video = converted.video(2, 4, 64, 64, 3)
  ours, report = encode('hiera', path, video, tmp_path)
  agrees(ours, features_of(model, video))
  assert not report.wrong
  file = str(tmp_path / 'hiera.safetensors')
  size = (8, 32, 96)
  _, tables = resized.resized(file, size)
  other = timms(*size)
  state = model.state_dict()
  for name, ours in {'spatial': 'space', 'temporal': 'time'}.items():
    table = tables[ours]['pos_embedding']
    state[f'pos_embed_{name}'] = torch.from_numpy(table.copy())
  other.load_state_dict(state)
  video = converted.video(1, *size, 3)
  agrees(resized.encode(file, video), features_of(other, video))


def test_tables_are_resized_as_transformers_resizes_those_of_images():
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.HieraConfig(image_size=(32, 32), embed_dim=16)
  model = converted.randomise(transformers.HieraModel(config))
  table = model.embeddings.position_embeddings
  expected = model.embeddings.interpolate_pos_encoding(
    torch.zeros(1, 8 * 24, 16), table, 32, 96
  )
  rule = family.load('hiera').positions
  ours = positions.resize(table.detach().numpy(), (8, 8), (8, 24), rule=rule)
  assert converted.relative_error(ours, expected) < 1e-5


def test_images_are_encoded_one_by_one(tmp_path):
  """Under timm's own names, too."""
  model = timms(32, 64)
  video = converted.video(1, 3, 32, 64, 3)
  frames = video[0].transpose(0, 3, 1, 2)
  with torch.no_grad():
    tokens = model.forward_features(torch.from_numpy(frames.copy()))
    expected = model.head.norm(tokens).numpy()
    summary = model.head.norm(tokens.mean((0, 1))).numpy()[None]
  for name, state in (('a', model.state_dict()), ('b', metas(model))):
    path = tmp_path / f'{name}.pth'
    torch.save(state, path)
    ours, _ = encode('hiera', path, video, tmp_path, grid=(1, 8, 16))
    agrees(ours, (expected, summary))


def test_an_images_weights_are_exact_for_a_clip_that_stands_still(tmp_path):
  path = save(tmp_path / 'image.pth', metas(timms(64, 64)))
  frame = converted.video(1, 1, 64, 64, 3)
  expected, _ = encode('hiera', path, frame, tmp_path)
  file = str(tmp_path / 'hiera.safetensors')
  ours = resized.encode(
    file,
    np.repeat(frame, 4, 1),
    joint=True,
    kernel=(3, 7, 7),
    patch=(2, 4, 4),
  )
  assert converted.relative_error(ours.summary, expected.summary) < 1e-5


def test_round_trip_is_exact(tmp_path):
  state = metas(timms(4, 64, 64))
  path = save(tmp_path / 'hiera.pth', state)
  settings = {'heads': 2}
  back = converted.round_trip(
    'hiera', path, tmp_path, head='k', settings=settings
  )
  assert back.keys() == state.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name].numpy())


def test_files_of_pretraining_have_another_norm_and_a_decoder(tmp_path):
  model = timms(4, 64, 64, num_classes=0)
  state = metas(model, 'encoder_norm')
  state['decoder_pos_embed'] = torch.ones(1, 4, 8)
  state['multi_scale_fusion_heads.0.weight'] = torch.ones(8, 8)
  state['decoder_blocks.0.attn.qkv.weight'] = torch.ones(24, 8)
  path = save(tmp_path / 'mae.pth', state)
  video = converted.video(1, 4, 64, 64, 3)
  ours, report = encode('hiera', path, video, tmp_path)
  agrees(ours, features_of(model, video))
  assert any('pools: 3 (what fine-tuning has)' in n for n in report.notes)


@pytest.mark.parametrize(
  'change, said',
  [
    (
      lambda s: {n: a for n, a in s.items() if n[:14] != 'blocks.3.proj.'},
      'block 3 makes tokens of 64 channels of 32, without a layer `proj`',
    ),
    (lambda s: {**s, 'pos_embed_win': torch.ones(1)}, "timm's .*'abswin'"),
    (
      lambda s: {n: a for n, a in s.items() if 'blocks.1.attn' not in n},
      r'missing +blocks\.1\.attn\.qkv\.weight',
    ),
    (
      lambda s: {**s, 'blocks.0.ls1.gamma': torch.ones(16)},
      r'blocks\.0\.ls1\.gamma',
    ),
  ],
)
def test_what_differs_is_named(tmp_path, change, said):
  path = save(tmp_path / 'h.pth', change(metas(timms(4, 64, 64))))
  with pytest.raises(WeightsError, match=said):
    importing.load('hiera', str(path), settings={'heads': 2})


def test_heads_are_asked_for_by_the_width_of_the_first_stage(tmp_path):
  state = metas(timms(4, 64, 64, embed_dim=144))
  with pytest.raises(WeightsError, match=r'--set heads=2 .*of 144 channels'):
    importing.load('hiera', str(save(tmp_path / 'h.pth', state)))


@pytest.fixture(scope='module')
def hugging_face():
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.HieraConfig(
    embed_dim=8,
    image_size=(64, 64),
    depths=(1, 2, 7, 2),
    num_heads=(2, 4, 8, 16),
    num_labels=5,
  )
  return converted.randomise(transformers.HieraForImageClassification(config))


def test_hugging_faces_folder_says_all(hugging_face, tmp_path):
  model = hugging_face
  model.save_pretrained(tmp_path / 'hf')
  video = converted.video(1, 2, 64, 64, 3)
  frames = torch.from_numpy(video[0].transpose(0, 3, 1, 2).copy())
  with torch.no_grad():
    found = model.hiera(frames)
    norm = model.hiera.pooler.layernorm
    tokens = norm(found.last_hidden_state).numpy()
    summary = norm(found.last_hidden_state.mean((0, 1))).numpy()[None]
  ours, report = converted.encode('hiera_hf', tmp_path / 'hf', video, tmp_path)
  assert not report.wrong
  agrees(ours, (tokens, summary))
  said = published.read_metadata(str(tmp_path / 'hiera_hf.safetensors'))
  assert said['backbone']['heads'] == 2 and said['grid'] == [1, 16, 16]
  first, back = (str(tmp_path / f'{n}.safetensors') for n in 'ab')
  converted.convert_file('hiera_hf', tmp_path / 'hf', first, head='k')
  converted.convert.export_run('hiera_hf', first, back, 'k')
  state = model.state_dict()
  kept = storage.load_arrays(back)
  assert kept.keys() == state.keys()
  for name, array in kept.items():
    np.testing.assert_array_equal(array, state[name].numpy())


def test_a_config_of_another_net_is_refused(hugging_face, tmp_path):
  hugging_face.save_pretrained(tmp_path / 'hf')
  file = tmp_path / 'hf' / 'config.json'
  file.write_text(file.read_text().replace('"gelu"', '"relu"'))
  with pytest.raises(
    WeightsError, match=r"config\.json: it has hidden_act='re"
  ):
    importing.load('hiera_hf', str(tmp_path / 'hf'))


@pytest.mark.parametrize('variant', ['B', 'B+', 'L'])
def test_variants_have_as_many_parameters_as_timms(variant):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  sizes = hiera.VARIANTS[variant]
  names = {'width': 'embed_dim', 'heads': 'num_heads', 'depths': 'stages'}
  with torch.device('meta'):
    model = timm.models.hiera.Hiera(
      (16, 224, 224),
      num_classes=0,
      weight_init='skip',
      fix_init=False,
      **CLIPS,
      **{theirs: sizes[ours] for ours, theirs in names.items()},
    )
  expected = sum(x.numel() for x in model.parameters())
  video = jax.ShapeDtypeStruct((1, 16, 224, 224, 3), jnp.float32)
  ours = hiera.build(variant=variant)
  shapes = jax.eval_shape(
    lambda v: ours.init(jax.random.key(0), v, False), video
  )
  assert sum(x.size for x in jax.tree.leaves(shapes)) == expected


@pytest.mark.published
def test_features_of_the_published_size(tmp_path):
  sizes = {'embed_dim': 96, 'num_heads': 1, 'stages': (2, 3, 16, 3)}
  model = timms(16, 224, 224, **sizes)
  path = save(tmp_path / 'hiera.pth', metas(model))
  video = converted.video(1, 16, 224, 224, 3)
  ours, _ = converted.encode(
    'hiera', path, video, tmp_path, settings={'heads': 1}
  )
  agrees(ours, features_of(model, video), 1e-4)
