"""Several packages: rows of a batch, averages, sums, and without techniques."""

import numpy as np
import packages
import pytest

from vidpetl import adapter as door
from vidpetl.experiment import adapters, combining
from vidpetl.parameters import package, storage

SEVERAL = [
  ('vivit', 'lora', {'rank': 2}),
  ('clip', 'mst_adapter', {'bottleneck': 2}),
  ('vivit', 'prefix', {'tokens': 2, 'bottleneck': 2, 'adapter': 2}),
  ('vivit', 'vpt', {}),
  ('swin', 'bapat', {'bottleneck': 2, 'adapter': 2}),
  # As wide as the backbone. It has running statistics.
  ('clip', 'side4video', {'width': 8}),
]


def loaded(backbone, *methods):
  """Adapters with a package of each (method, options, seed)."""
  ours = None
  for number, (method, options, seed) in enumerate(methods):
    config = packages.make_config(backbone, method, **options)
    packed, params = packages.pack(config, seed)
    ours = ours or adapters.Adapters(packages.backbone_of(params))
    ours.load(packed, 'abc'[number])
  return ours


def clips(n):
  rng = np.random.default_rng(n)
  return {'video': rng.integers(0, 256, (n, 4, 16, 16, 3), np.uint8)}


@pytest.mark.parametrize('backbone, method, options', SEVERAL)
def test_rows_of_a_batch_have_packages_of_their_own(backbone, method, options):
  ours = loaded(backbone, (method, options, 1), (method, options, 2))
  names, batch = ['a', 'b', 'a'], clips(3)
  found = ours.logits_of_rows(names, batch)
  for row, name in enumerate(names):
    expected = ours.logits(name, batch)[row]
    np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_rows_of_other_techniques_and_heads_are_in_one_batch():
  ours = loaded('vivit', ('lora', {'rank': 2}, 1), ('vpt', {}, 2))
  config = packages.make_config('vivit', 'head')
  config.tasks.own.num_classes = 5
  ours.load(packages.pack(config, 3)[0], 'c')
  names, batch = ['c', 'a', 'b', 'a'], clips(4)
  found = ours.logits_of_rows(names, batch)
  assert [len(row) for row in found] == [5, 3, 3, 3]
  for row, name in enumerate(names):
    expected = ours.logits(name, batch)[row]
    np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_every_row_needs_a_package():
  ours = loaded('clip', ('head', {}, 1))
  with pytest.raises(ValueError, match='1 names of packages for 2 rows'):
    ours.logits_of_rows(['a'], clips(2))


@pytest.mark.parametrize('backbone, method, options', SEVERAL)
def test_techniques_of_any_kind_can_be_left_out(backbone, method, options):
  ours = loaded(backbone, (method, options, 1))
  packed = ours.package('a')
  plain = {k: x for k, x in ours.params('a').items() if '/site_' not in k}
  config = {**packed.config, 'petl': ()}
  config['backbone_sha256'] = package.fingerprint({})
  alone = adapters.Adapters({})
  alone.load(package.Package(config, plain), 'bare')
  np.testing.assert_allclose(
    ours.logits('a', packages.CLIPS, without=packed.techniques),
    alone.logits('bare', packages.CLIPS),
    rtol=1e-5,
    atol=1e-6,
  )


def test_a_head_that_needs_what_is_left_out_is_told():
  ours = loaded('clip', ('side4video', {'width': 16}, 1))
  with pytest.raises(ValueError, match='side4video cannot be left out: the he'):
    ours.logits('a', clips(2), without=['side4video'])


def test_others_of_a_package_stay_when_one_is_left_out():
  config = packages.make_config('clip', 'lora', rank=2)
  second = packages.make_config('clip', 'adaptformer', bottleneck=2)
  config.petl = (*config.petl, *second.petl)
  packed, params = packages.pack(config, 1)
  ours = adapters.Adapters(packages.backbone_of(params))
  ours.load(packed, 'a')
  ours.load(packages.pack(second, 1)[0], 'second')
  np.testing.assert_allclose(
    ours.logits('a', packages.CLIPS, without=['lora']),
    ours.logits('second', packages.CLIPS),
    rtol=1e-5,
    atol=1e-6,
  )
  with pytest.raises(ValueError, match=r"no technique 'x'; it has \['lora'"):
    ours.logits('a', packages.CLIPS, without=['x'])


def test_an_average_is_that_of_all_parameters_and_says_what_it_is_of(tmp_path):
  config = packages.make_config('vivit', 'adaptformer', bottleneck=2)
  for seed in (1, 2):
    package.save(tmp_path / str(seed), packages.pack(config, seed)[0])
  folders = [str(tmp_path / '1'), str(tmp_path / '2')]
  door.average(folders, ['0.75', '0.25'], str(tmp_path / 'out'))
  made = package.load(tmp_path / 'out')
  first, second = (package.load(folder).params for folder in folders)
  for path, x in made.params.items():
    expected = 0.75 * first[path] + 0.25 * second[path]
    np.testing.assert_allclose(x, expected, rtol=1e-6)
  assert [m['package'] for m in made.config['made_of']] == folders


@pytest.mark.parametrize('method', ['ia3', 'lora'])
def test_updates_of_several_are_added_to_one_backbone(method, tmp_path):
  options = {'rank': 2} if method == 'lora' else {}
  config = packages.make_config('vivit', method, **options)
  made = [packages.pack(config, seed) for seed in (1, 2)]
  start = packages.backbone_of(made[0][1])
  folders = [str(tmp_path / '1'), str(tmp_path / '2')]
  for folder, (packed, _) in zip(folders, made):
    package.save(folder, packed)
  base, out = (str(tmp_path / f'{n}.safetensors') for n in ('base', 'out'))
  storage.save_arrays(base, start)
  door.merge_several(folders, base, ['0.5', '2'], out)
  found = storage.load_arrays(out)
  moved = {k: np.zeros_like(v) for k, v in start.items()}
  for (packed, _), weight in zip(made, (0.5, 2)):
    ours = adapters.Adapters(start)
    ours.load(packed, 'a')
    merged, _ = ours.merge('a')
    for path in moved:
      moved[path] += weight * (merged[path] - start[path])
  assert any(np.abs(x).max() > 0.01 for x in moved.values())
  for path, x in moved.items():
    np.testing.assert_allclose(found[path], start[path] + x, atol=1e-5)
  head = 'heads_own/output_projection/kernel'
  expected = sum(w * p.params[head] for (p, _), w in zip(made, (0.2, 0.8)))
  np.testing.assert_allclose(found[head], expected, rtol=1e-5)


def test_what_no_layer_takes_is_averaged_by_a_merge_of_several(tmp_path):
  config = packages.make_config('clip', 'zeroi2v')
  config.tasks.own.norm = 'batch'
  made = {str(n): packages.pack(config, n) for n in (1, 2)}
  start = packages.backbone_of(made['1'][1])
  packs = {name: packed for name, (packed, _) in made.items()}
  found = combining.merge(start, packs, [0.5, 1.5])
  added = set(found) - set(start)
  assert any(path.endswith('TimeEmbedding/table') for path in added)
  assert any(path.startswith('batch_stats/heads_own') for path in added)
  for path in added:
    expected = 0.25 * made['1'][1][path] + 0.75 * made['2'][1][path]
    np.testing.assert_allclose(found[path], expected, rtol=1e-5)
  packs['2'].config['petl'] = packs['2'].config['petl'][:1]
  with pytest.raises(package.PackageError, match='merging leaves in config'):
    combining.merge(start, packs, [0.5, 1.5])


def test_what_differs_between_packages_is_named():
  pack = lambda m, seed, **o: packages.pack(
    packages.make_config('vivit', m, **o), seed
  )[0]
  one, other = pack('lora', 1, rank=2), pack('lora', 2, rank=3)
  with pytest.raises(package.PackageError, match='b and a differ in petl'):
    combining.average({'a': one, 'b': other}, [0.5, 0.5])
  with pytest.raises(package.PackageError, match='2 packages have 1 weights'):
    combining.average({'a': one, 'b': one}, [1.0])
  with pytest.raises(package.PackageError, match='must be a number'):
    combining.average({'a': one, 'b': one}, [1.0, -1.0])
  labelled = pack('lora', 2, rank=2)
  labelled.config['tasks']['own']['labels'] = {'0': 'run'}
  with pytest.raises(package.PackageError, match='have other labels'):
    combining.average({'a': one, 'b': labelled}, [0.5, 0.5])
