"""Packages: the same logits again, on the right backbone alone."""

import json

import jax
import numpy as np
import packages
import pytest

from vidpetl import adapter as door
from vidpetl.backbones import site
from vidpetl.data import augment
from vidpetl.experiment import (
  adapters,
  experiment,
  package_programs,
  published,
  spec,
)
from vidpetl.parameters import package, storage, trainable, variables

CASES = [
  ('clip', 'head', {}),
  ('clip', 'bitfit', {}),
  ('clip', 'mst_adapter', {'bottleneck': 2}),
  ('clip', 'aim', {}),
  ('vivit', 'ladder', {}),
  ('vivit', 'prefix', {'tokens': 2, 'bottleneck': 2, 'adapter': 2}),
  ('vivit', 'vpt', {}),
  ('vivit', 'lora', {'rank': 2, 'head': False}),
  ('swin', 'bapat', {'bottleneck': 2, 'adapter': 2}),
  ('swin', 'attn_softmax', {}),
]


@pytest.mark.tail(4)
@pytest.mark.parametrize('backbone, method, options', CASES)
def test_a_package_gives_the_logits_of_its_run(
  backbone, method, options, tmp_path
):
  config = packages.make_config(backbone, method, **options)
  packed, params = packages.pack(config)
  package.save(tmp_path / 'adapter', packed)
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(tmp_path / 'adapter', 'a')
  built, _ = packages.trained(config)
  batch = {**packages.CLIPS, 'size': np.full((2, 2), 16, np.int32)}
  task = built.tasks['own']
  expected = jax.jit(
    lambda p: built.model.apply(
      {'params': p},
      augment.preprocess(batch, task.augment, train=False),
      'own',
    )
  )(trainable.unflatten(params))
  # Another program, which may round otherwise.
  logits = ours.logits('a', packages.CLIPS)
  np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
  # Head and sites, and of the backbone what trained: nothing else.
  own = {k for k in packed.params if k in packages.backbone_of(params)}
  assert bool(own) == (method in ('bitfit', 'aim', 'attn_softmax'))
  assert {'heads_own/output_projection/kernel'} <= set(packed.params)


@pytest.mark.parametrize(
  'method, norm, path',
  [
    ('head', 'batch', 'heads_own/norm/var'),
    ('side4video', 'none', 'backbone/site_features/Side4Video/norm/var'),
  ],
)
def test_a_package_has_the_statistics_of_its_norms(method, norm, path):
  options = {'width': 8} if method == 'side4video' else {}
  config = packages.make_config('clip', method, **options)
  config.tasks.own.norm = norm
  infos = experiment.infos_from_config(config)
  built = experiment.build(config, infos)
  rng = np.random.default_rng(0)
  arrays = {
    name: abs(rng.normal(0.3, 0.1, x.shape)).astype(np.float32)
    for name, x in variables.flatten(built.variables).items()
  }
  described = spec.describe(config, infos, {'own': {}})
  packed = adapters.pack(described, arrays, built.group_of)
  assert f'batch_stats/{path}' in packed.params
  ours = adapters.Adapters(packages.backbone_of(arrays))
  ours.load(packed, 'a')
  batch = {**packages.CLIPS, 'size': np.full((2, 2), 16, np.int32)}
  own = built.tasks['own'].augment
  expected = jax.jit(
    lambda v: built.model.apply(
      v, augment.preprocess(batch, own, train=False), 'own'
    )
  )(variables.unflatten(arrays))
  found = ours.logits('a', packages.CLIPS)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_several_share_a_program_and_are_forgotten():
  config = packages.make_config('vivit', 'lora', rank=2)
  (one, params), (two, _) = packages.pack(config, 1), packages.pack(config, 2)
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(one, 'one')
  ours.load(two, 'two')
  package_programs.of.cache_clear()
  first = ours.logits('one', packages.CLIPS)
  structure = package_programs.of.cache_info().misses
  with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(experiment, 'build', None)  # Nothing is built again.
    assert np.abs(ours.logits('two', packages.CLIPS) - first).max() > 0.01
    np.testing.assert_array_equal(ours.logits('one', packages.CLIPS), first)
  assert package_programs.of.cache_info().misses == structure
  ours.unload('one')
  assert ours.names == ['two']
  with pytest.raises(ValueError, match="'one' is not loaded; there are"):
    ours.logits('one', packages.CLIPS)
  with pytest.raises(ValueError, match="'two' is loaded already"):
    ours.load(two, 'two')
  with pytest.raises(ValueError, match="has no task 'x'; it has \\['own'\\]"):
    ours.logits('two', packages.CLIPS, 'x')


def test_packages_with_options_of_other_samplers_and_kinds_load():
  """Such options did nothing, and every package of before may have them."""
  packed, params = packages.pack(packages.make_config('clip', 'head'))
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  config = json.loads(json.dumps(dict(packed.config)))
  options = config['tasks']['own']['options']
  options['clip'].update(
    sampling='stride', max_boxes=32, boxes='detected', min_score=0.8,
    shift=0, rates=4, parts=4, natural=1, natural_drawn=False, exemplar='',
  )  # fmt: skip
  options['eval_clip'] = {'views': [2, 1], 'max_boxes': 64}
  ours.load(package.Package(config, packed.params), 'b')
  np.testing.assert_array_equal(
    ours.logits('a', packages.CLIPS), ours.logits('b', packages.CLIPS)
  )
  options['clip']['strides'] = 2
  with pytest.raises(ValueError, match=r'own\.clip has no field strides'):
    ours.load(package.Package(config, packed.params), 'c')


@pytest.mark.parametrize('dtype', [np.float32, np.int64])
def test_clips_that_are_no_bytes_are_refused(dtype):
  """Floats in [0, 1] would be black."""
  packed, params = packages.pack(packages.make_config('clip', 'head'))
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  clips = packages.CLIPS['video'].astype(dtype) // 255
  with pytest.raises(ValueError, match='clips are uint8'):
    ours.logits('a', {'video': clips})


def test_a_merged_file_says_what_it_is(tmp_path):
  config = packages.make_config('clip', 'lora', rank=2)
  packed, params = packages.pack(config)
  packed.config['tasks']['own']['labels'] = {'0': 'a', '1': 'b', '2': 'c'}
  package.save(tmp_path / 'adapter', packed)
  backbone, out = (str(tmp_path / f'{n}.safetensors') for n in ('base', 'out'))
  storage.save_arrays(backbone, packages.backbone_of(params))
  door.merge(str(tmp_path / 'adapter'), backbone, out, 1e-3)
  said = published.read_metadata(out)
  assert said['labels'] == {'own': {'0': 'a', '1': 'b', '2': 'c'}}
  assert (said['grid'], said['mean']) == ([4, 2, 2], [0.5] * 3)


def test_scaling_goes_from_without_to_with():
  config = packages.make_config('clip', 'adaptformer', bottleneck=2)
  packed, params = packages.pack(config)
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  whole = ours.logits('a', packages.CLIPS)
  np.testing.assert_allclose(
    ours.logits('a', packages.CLIPS, scale=1.0), whole, rtol=1e-4
  )
  none = ours.logits('a', packages.CLIPS, scale=0.0)
  half = ours.logits('a', packages.CLIPS, scale=0.5)
  plain = packages.make_config('clip', 'head')
  built, _ = packages.trained(plain)
  alone = {k: v for k, v in packed.params.items() if k.startswith('heads_')}
  bare = adapters.pack(
    spec.describe(plain, experiment.infos_from_config(plain), {'own': {}}),
    {**packages.backbone_of(params), **alone},
    built.group_of,
  )
  ours.load(bare, 'bare')
  np.testing.assert_allclose(
    none, ours.logits('bare', packages.CLIPS), rtol=1e-4
  )
  assert np.abs(half - none).max() > 1e-4 < np.abs(half - whole).max()


def test_what_lengthens_tokens_cannot_be_scaled():
  packed, params = packages.pack(packages.make_config('vivit', 'vpt'))
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  with pytest.raises(ValueError, match='Prompt cannot be scaled'):
    ours.logits('a', packages.CLIPS, scale=0.5)


QKV = {'query', 'key', 'value'}
# Backbone, method, its options, what changes of the backbone.
MERGED = [
  ('clip', 'lora', {'rank': 2, 'to': 'qkv'}, QKV),
  (
    'swin',
    'lora',
    {'rank': 2, 'sites': site.DENSE},
    {'query', 'value', 'out', 'Dense_0', 'Dense_1'},
  ),
  ('vivit', 'ia3', {}, {'key', 'value', 'Dense_1'}),
  (
    'swin',
    'ssf',
    {},
    QKV | {'out', 'Dense_0', 'Dense_1', 'LayerNorm_0', 'LayerNorm_1'},
  ),
]


@pytest.mark.tail(2)
@pytest.mark.parametrize('backbone, method, options, layers', MERGED)
def test_linear_techniques_merge(backbone, method, options, layers):
  packed, params = packages.pack(
    packages.make_config(backbone, method, **options)
  )
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  merged, drift = ours.merge('a', tolerance=1e-3)
  assert 0 <= drift < 1e-3
  own = packages.backbone_of(params)
  assert {k for k in merged if k.startswith('backbone/')} == set(own)
  changed = {k.split('/')[-2] for k, v in own.items() if (merged[k] != v).any()}
  assert changed == layers
  with pytest.raises(ValueError, match='merging changes logits by up to'):
    ours.merge('a', tolerance=-1.0)


def test_what_is_not_linear_does_not_merge():
  config = packages.make_config('swin', 'bapat', bottleneck=2, adapter=2)
  packed, params = packages.pack(config)
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'b')
  with pytest.raises(ValueError, match='patt cannot be merged'):
    ours.merge('b')


def test_another_backbone_is_refused(tmp_path):
  packed, params = packages.pack(packages.make_config('vivit', 'lora', rank=2))
  other = packages.backbone_of(params)
  path = next(iter(other))
  other[path] = other[path] + 1e-3
  with pytest.raises(package.PackageError, match='for another backbone'):
    adapters.Adapters(other).load(packed, 'a')
  _, elsewhere = packages.pack(packages.make_config('clip', 'head'))
  with pytest.raises(package.PackageError, match='for another backbone'):
    adapters.Adapters(packages.backbone_of(elsewhere)).load(packed, 'a')


def edit(folder, **fields):
  path = folder / package.CONFIG
  config = json.loads(path.read_text())
  config.update(fields, sum=None)  # As one who edits it takes it out.
  config = {k: v for k, v in config.items() if v is not None}
  path.write_text(json.dumps(config))


def break_model(folder):
  path = folder / package.MODEL
  path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
  'damage, match',
  [
    (lambda f: (f / package.MODEL).unlink(), 'safetensors: not found'),
    (break_model, r'adapter_model.safetensors: '),
    (lambda f: (f / package.CONFIG).write_text('{'), 'json: not json'),
    (lambda f: edit(f, petl=None), 'json: has no petl'),
    (lambda f: edit(f, format='x-2'), "format 'x-2'; this version reads"),
    (lambda f: edit(f, petl=None, peft_type='LORA'), 'from_peft'),
  ],
)
def test_damage_is_named(tmp_path, damage, match):
  packed, _ = packages.pack(packages.make_config('vivit', 'lora', rank=2))
  package.save(tmp_path / 'a', packed)
  damage(tmp_path / 'a')
  with pytest.raises(package.PackageError, match=match):
    package.load(tmp_path / 'a')


def test_saving_leaves_nothing_but_the_package_and_what_was_there(tmp_path):
  packed, _ = packages.pack(packages.make_config('vivit', 'lora', rank=2))
  (tmp_path / 'a').mkdir()
  (tmp_path / 'a' / 'old').write_text('')
  package.save(tmp_path / 'a', packed)
  assert {p.name for p in (tmp_path / 'a').iterdir()} == {
    package.MODEL,
    package.CONFIG,
    'old',
  }
  assert [p.name for p in tmp_path.iterdir()] == ['a']
  again = package.load(tmp_path / 'a')
  assert again.config == json.loads(json.dumps(packed.config))
  for path, value in packed.params.items():
    np.testing.assert_array_equal(again.params[path], value)
