"""VideoPrism's files of Hugging Face against the models that wrote them."""

import json

import converted
import numpy as np
import pytest
import resized as resized_lib
import safetensors.numpy
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytestmark = pytest.mark.torch

SIZES = {
  'hidden_size': 24,
  # The pooler is as wide, and four times as wide as a token in all models.
  'intermediate_size': 96,
  'num_attention_heads': 2,
  'num_spatial_layers': 2,
  'num_temporal_layers': 1,
  'num_auxiliary_layers': 1,
  'image_size': 8,
  'tubelet_size': (1, 4, 4),
  'num_frames': 3,
  'num_labels': 5,
}
BASE = {'num_frames': 16}
PLAIN, TOWER, CLASSIFIER = (
  f'VideoPrism{name}'
  for name in ('VisionModel', 'VideoModel', 'ForVideoClassification')
)
FAMILIES = {
  PLAIN: 'videoprism_hf',
  CLASSIFIER: 'videoprism_hf',
  TOWER: 'videoprism_lvt_hf',
}


def make(name, sizes=SIZES):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.VideoPrismVisionConfig(**sizes)
  return converted.randomise(getattr(transformers, name)(config))


def save(model, tmp_path):
  model.save_pretrained(tmp_path / 'theirs')
  return tmp_path / 'theirs' / 'model.safetensors'


def features(name, model, video):
  """Returns tokens [b, t, h, w, d], and what is read of them."""
  b, t, height, width, _ = video.shape
  pixels = torch.from_numpy(video.transpose(0, 1, 4, 2, 3).copy())
  with torch.no_grad():
    out = model(pixels, interpolate_pos_encoding=True)
    if name == CLASSIFIER:
      return None, out.logits[:, 0]
  patch = model.config.tubelet_size[-1]
  shape = b, t, height // patch, width // patch, -1
  grid = out.last_hidden_state.reshape(shape)
  if name == PLAIN:
    return grid, grid.mean((1, 2, 3))
  return grid, out.pooler_output[:, 0]


@pytest.mark.parametrize(
  'sizes, shape',
  [
    (SIZES, (3, 8, 8)),
    (SIZES, (5, 12, 12)),
    pytest.param(BASE, (2, 288, 288), marks=pytest.mark.published),
  ],
)
@pytest.mark.parametrize('name', [PLAIN, TOWER])
def test_features(name, sizes, shape, tmp_path):
  model, out = make(name, sizes), str(tmp_path / 'out.safetensors')
  video = converted.video(1, *shape, 3)
  convert.import_file(FAMILIES[name], str(save(model, tmp_path)), out)
  ours = resized_lib.encode(out, video)
  grid, summary = features(name, model, video)
  assert converted.relative_error(ours.grid, grid) < 1e-5
  assert converted.relative_error(ours.summary, summary) < 1e-5


def test_a_classifier_reads_what_its_pooler_makes(tmp_path):
  model, out = make(CLASSIFIER), str(tmp_path / 'out.safetensors')
  video = converted.video(2, 3, 8, 8, 3)
  path = str(save(model, tmp_path))
  convert.import_file('videoprism_hf', path, out, head='k')
  read = resized_lib.encode(out, video).summary
  head = {
    leaf: converted.storage.load_arrays(out)[
      f'heads_k/output_projection/{leaf}'
    ]
    for leaf in ('kernel', 'bias')
  }
  logits = read @ head['kernel'] + head['bias']
  _, expected = features(CLASSIFIER, model, video)
  assert converted.relative_error(logits, expected) < 1e-5


@pytest.mark.parametrize('name', FAMILIES)
def test_transformers_takes_what_is_written(name, tmp_path):
  model, first = make(name), str(tmp_path / 'first.safetensors')
  head = 'k' if name == CLASSIFIER else ''
  path = str(save(model, tmp_path))
  convert.import_file(FAMILIES[name], path, first, head=head)
  back = tmp_path / 'back'
  convert.export_run(FAMILIES[name], first, str(back), head)
  again, loading = type(model).from_pretrained(back, output_loading_info=True)
  assert not any(loading.values())
  video = converted.video(1, 3, 8, 8, 3)
  for ours, theirs in zip(
    *(features(name, each.eval(), video) for each in (again, model))
  ):
    if theirs is not None:
      assert converted.relative_error(ours.numpy(), theirs) < 1e-6
  written = json.loads((back / 'config.json').read_text())
  expected = {k: v for k, v in SIZES.items() if k in written}
  # Plain encoders have no auxiliary blocks to count.
  assert len(expected) >= len(SIZES) - 2
  assert {k: written[k] for k in expected} == {
    k: list(v) if isinstance(v, tuple) else v for k, v in expected.items()
  }
  processor = json.loads((back / 'video_preprocessor_config.json').read_text())
  assert not processor['do_normalize']


@pytest.mark.parametrize('name', FAMILIES)
def test_round_trip_is_exact(name, tmp_path):
  head = 'k' if name == CLASSIFIER else ''
  path = save(make(name), tmp_path)
  back = converted.round_trip(
    FAMILIES[name], path, tmp_path, head=head, settings={'heads': 2}
  )
  want = safetensors.numpy.load_file(path)
  assert back.keys() == want.keys()


def test_a_text_tower_is_left_out(tmp_path):
  """As in files of `VideoPrismClipModel`."""
  path = save(make(TOWER), tmp_path)
  state = safetensors.numpy.load_file(path)
  state = {f'video_model.{name}': array for name, array in state.items()}
  state['text_model.layernorm.weight'] = np.ones(2, np.float32)
  safetensors.numpy.save_file(state, path)
  config = path.parent / 'config.json'
  said = json.loads(config.read_text())
  whole = {'model_type': 'videoprism', 'vision_config': said}
  config.write_text(json.dumps(whole))
  out = str(tmp_path / 'out.safetensors')
  report = convert.import_file('videoprism_lvt_hf', str(path), out)
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert left == {'text_model.layernorm.weight', 'head.k_proj.bias'}
  backbone = published.read_metadata(out)['backbone']
  assert (backbone['summary'], backbone['logit_cap']) == ('embedding', 50.0)


@pytest.mark.parametrize(
  'change, said',
  [
    ({'attn_logit_softcapping': 30.0}, None),
    ({'hidden_act': 'relu'}, "hidden_act is 'relu'"),
    ({'apply_l2norm': False}, 'it has unit=False'),
  ],
)
def test_what_a_config_says_counts(change, said, tmp_path):
  path = save(make(TOWER), tmp_path)
  config = path.parent / 'config.json'
  config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
  load = lambda: importing.load('videoprism_lvt_hf', str(path))
  if said:
    with pytest.raises(WeightsError, match=said):
      load()
  else:
    assert load().layout.backbone['logit_cap'] == 30.0
