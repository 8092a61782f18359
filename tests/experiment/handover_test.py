"""Runs and packages with techniques, handed over whole."""

import json
import types

import numpy as np
import packages
import pytest
import torchvision_build

from vidpetl import adapter, convert
from vidpetl.data import augment
from vidpetl.experiment import adapters, handover
from vidpetl.parameters import package, storage
from vidpetl.recipes import defaults

TECHNIQUES = {
  'lora': {'rank': 2, 'sites': ('attn_qkv', 'mlp_fc1')},
  'ia3': {},
  'ssf': {},
}
HF = {
  'videomae': ('videomae_hf', 'VideoMAEForVideoClassification'),
  'vivit': ('vivit_hf', 'VivitForVideoClassification'),
}


def packed(tmp_path, method, kind='videomae'):
  """Returns a package's folder, its backbone's file, and its logits."""
  config = packages.make_config(kind, method, **TECHNIQUES.get(method, {}))
  if kind == 'vivit':
    config.backbone.classifier = 'token'
  made, params = packages.pack(config)
  made.config['tasks']['own']['labels'] = {'0': 'a', '1': 'b', '2': 'c'}
  folder = tmp_path / 'run' / 'adapter'
  folder.parent.mkdir()
  package.save(folder, made)
  base = str(tmp_path / 'base.safetensors')
  storage.save_arrays(base, packages.backbone_of(params))
  ours = adapters.Adapters(base)
  ours.load(made, 'a')
  return folder, base, np.asarray(ours.logits('a', packages.CLIPS))


def theirs(model, folder):
  """Returns the logits of transformers' model of a folder."""
  torch = pytest.importorskip('torch')
  torchvision_build.load()
  transformers = pytest.importorskip('transformers')
  found = getattr(transformers, model).from_pretrained(folder).eval()
  assert found.config.id2label == {0: 'a', 1: 'b', 2: 'c'}
  batch = {**packages.CLIPS, 'size': np.full((2, 2), 16, np.int32)}
  video = augment.preprocess(batch, augment.Augment(), train=False)['video']
  video = np.array(video).transpose(0, 1, 4, 2, 3).copy()
  with torch.no_grad():
    return found(torch.from_numpy(video)).logits.numpy()


@pytest.mark.torch
@pytest.mark.parametrize(
  'method, kind',
  [
    ('lora', 'videomae'),
    ('ia3', 'videomae'),
    ('ssf', 'vivit'),
    ('head', 'vivit'),
  ],
)
def test_a_package_merged_and_handed_over(method, kind, tmp_path):
  folder, base, expected = packed(tmp_path, method, kind)
  family, model = HF[kind]
  out = tmp_path / 'out'
  report = convert.export_run(family, str(folder), str(out), 'own', base)
  np.testing.assert_allclose(theirs(model, out), expected, atol=1e-4)
  merged = [note for note in report.notes if f'{method} merged' in note]
  assert bool(merged) == (method != 'head')


@pytest.mark.torch
def test_a_run_on_a_frozen_backbone_needs_no_more_than_its_folder(tmp_path):
  folder, base, expected = packed(tmp_path, 'lora')
  run = folder.parent
  init = defaults.get_config().init
  init.update(path=base, skip=('^heads_', '/site_'))
  (run / 'config.json').write_text(
    json.dumps({'seed': 0, 'init': init.to_dict()})
  )
  meta = run / 'checkpoints' / '7' / 'meta'
  meta.mkdir(parents=True)
  (meta / 'metadata').write_text(json.dumps({'frozen': 'a hash'}))
  for path in (run, run / 'checkpoints' / '7'):
    out = tmp_path / f'out_{path.name}'
    convert.export_run('videomae_hf', str(path), str(out), 'own')
    found = theirs('VideoMAEForVideoClassification', out)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.torch
def test_a_merged_file_says_what_it_is(tmp_path):
  folder, base, expected = packed(tmp_path, 'lora')
  merged = str(tmp_path / 'merged.safetensors')
  adapter.merge(str(folder), base, merged, 1e-3)
  convert.export_run('videomae_hf', merged, str(tmp_path / 'out'), 'own')
  found = theirs('VideoMAEForVideoClassification', tmp_path / 'out')
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_cannot_be_merged_is_said(tmp_path):
  folder, base, _ = packed(tmp_path, 'adaptformer')
  with pytest.raises(ValueError, match=r'mode=.* cannot be merged'):
    handover.read(str(folder), backbone=base)


def test_a_package_asks_for_its_backbone(tmp_path):
  folder, base, _ = packed(tmp_path, 'lora')
  with pytest.raises(ValueError, match=r'is a package.*--backbone='):
    handover.read(str(folder))
  arrays = storage.load_arrays(base)
  storage.save_arrays(base, {k: v + 1 for k, v in arrays.items()})
  with pytest.raises(package.PackageError, match='for another backbone'):
    handover.read(str(folder), backbone=base)


def test_fields_that_only_training_has_make_no_difference():
  """A rate of stochastic depth is no other function."""
  fields = {**packages.BACKBONES['videomae'], 'stochastic_depth': 0.3}
  assert 'stochastic_depth' not in set(handover.whole(fields)) - set(fields)
  model = types.SimpleNamespace(backbone=handover.whole(fields))
  family = types.SimpleNamespace(
    folder=None,
    alone=False,
    unshown=(),
    heads={},
    layout=lambda shapes, target: types.SimpleNamespace(
      backbone=packages.BACKBONES['videomae']
    ),
  )
  assert handover.differences(family, {}, model, '') == []
