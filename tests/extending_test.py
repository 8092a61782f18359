"""A part is one new file: the page 'extending', held to it."""

import importlib
import re

import experiments
import jax
import jax.numpy as jnp
import pytest
from etils import epath

from vidpetl import backbones, tasks
from vidpetl.data import clip_spec, datasets, kinds, samplers, sources
from vidpetl.experiment import complete
from vidpetl.petl import bindings, techniques
from vidpetl.recipes import named, presets
from vidpetl.training import writers

ROOT = experiments.ROOT
# A part on the page -> other files that may name it, and why.
PARTS = {
  'vidpetl/data/datasets/diving48.py': {
    'configs/aim.py': 'a recipe for it',
    'vidpetl/recipes/tuned.py': 'a tuned model that knows its classes',
    'vidpetl/recipes/presets/videoprism.py': "a probe's published number",
    'vidpetl/recipes/presets/vjepa2.py': "a probe's published number",
  },
  'vidpetl/data/samplers/segments.py': {
    'configs/adapt.py': 'an argument of its own, of performances',
    'vidpetl/recipes/task_fields.py': 'the same',
    'vidpetl/recipes/aspects/task.py': 'what it is in words',
    'configs/aim.py': 'a recipe with it',
    'configs/st_adapter.py': 'a recipe with it',
    'vidpetl/recipes/tuned.py': 'tuned models whose clips are cut so',
    'vidpetl/recipes/originals/clip.py': 'published recipes with it',
    'vidpetl/recipes/sampling.py': 'what its option is by default',
    'vidpetl/exporting/preprocessing.py': 'what it does, in words',
    'vidpetl/exporting/colleague/read_clip.py': 'the same without vidpetl',
    'vidpetl/inference/answers/quality.py': 'a table of other segments',
    'vidpetl/inference/writing.py': 'the same',
  },
  'vidpetl/data/kinds/multilabel.py': {
    'vidpetl/tasks/multilabel.py': 'the task of this kind',
    'vidpetl/inference/answers/multilabel.py': 'what a film is told of it',
    'vidpetl/exporting/readme.py': 'how its scores are printed',
    'vidpetl/data/datasets/charades.py': 'a dataset of this kind',
    'vidpetl/data/sources/manifest.py': 'what a column means for it, in words',
    'configs/adapt.py': 'arguments of the task',
    'vidpetl/recipes/task_fields.py': 'the same',
    'vidpetl/recipes/earlier.py': 'whose clips a run that starts from it has',
    'vidpetl/studies/clip_sheet.py': 'what is a right answer to several labels',
    'vidpetl/studies/speaking.py': 'which score maps are of',
    'vidpetl/studies/adapting/space.py': 'which heads are tried',
  },
  'vidpetl/petl/techniques/ia3.py': {
    'vidpetl/recipes/methods.py': 'the published method',
    'vidpetl/experiment/peft/names.py': "peft's own name of it",
  },
  'vidpetl/petl/techniques/ssf.py': {
    'vidpetl/recipes/methods.py': 'the published method',
  },
  'vidpetl/training/writers/mlflow.py': {
    'vidpetl/recipes/defaults.py': 'what the field takes, in words',
  },
}


@pytest.mark.parametrize('part', PARTS)
def test_a_part_is_one_file_and_no_list_names_it(part):
  name = re.search(r'(\w+)\.py$', part)[1]
  word = re.compile(rf"""['"]{name}['"]|[./]{name}\b""", re.IGNORECASE)
  folders = ('vidpetl', 'configs')
  naming = {
    str(path.relative_to(ROOT))
    for folder in folders
    for path in (ROOT / folder).rglob('*.py')
    if word.search(path.read_text(encoding='utf-8'))
  }
  assert naming - {part} <= set(PARTS[part])
  page = (ROOT / 'docs' / 'extending.md').read_text(encoding='utf-8')
  assert f'--8<-- "{part}"' in page


@pytest.fixture
def add(tmp_path, monkeypatch):
  """Returns a function that puts a file into a folder of parts."""

  def put(package, name, text):
    folder = tmp_path / package.__name__
    folder.mkdir()
    (folder / f'{name}.py').write_text(text)
    monkeypatch.setattr(package, '__path__', [*package.__path__, str(folder)])
    importlib.invalidate_caches()

  return put


def test_a_technique(add):
  add(
    techniques,
    'gain',
    'import flax.linen as nn\n\n\n'
    'class Gain(nn.Module):\n'
    '  start: float = 1.0\n\n'
    '  @nn.compact\n'
    '  def __call__(self, y, given, grid):\n'
    '    start = nn.initializers.constant(self.start)\n'
    "    return y * self.param('gain', start, ())\n\n\n"
    'build = Gain\n',
  )
  preset = presets.find('mae_b')
  model = bindings.bind(
    backbones.build({**preset.fields, **preset.tiny}),
    [{'site': 'mlp', 'technique': 'gain', 'start': 2.0}],
  )
  video = jnp.zeros((1, 1, 32, 32, 3))
  params = model.init(jax.random.key(0), video, train=False)['params']
  paths = {jax.tree_util.keystr(p): v for p, v in _leaves(params)}
  (gain,) = [v for p, v in paths.items() if 'site_mlp' in p]
  assert gain == 2.0
  config = named.load('mst_adapter').copy_and_resolve_references().unlock()
  config.petl = ({'site': 'mlp', 'technique': 'gain'},)
  assert complete.complete(config).petl[0]['start'] == 1.0


def _leaves(tree):
  return jax.tree_util.tree_leaves_with_path(tree)


def test_a_sampler(add):
  add(
    samplers,
    'first',
    'import dataclasses\n\n'
    'import numpy as np\n\n'
    'from vidpetl.data import samplers\n\n\n'
    '@dataclasses.dataclass(frozen=True)\n'
    'class First(samplers.Sampler):\n'
    '  skip: int = 0\n\n'
    '  def times(self, extent, cut, fps, draws):\n'
    '    frames = self.skip + np.arange(cut.frames)\n'
    '    return (extent.begin + (frames + 0.5) / fps)[None]\n\n\n'
    'SAMPLER = First\n',
  )
  assert clip_spec.defaults('first', 'classification')['skip'] == 0
  spec = clip_spec.ClipSpec.of(
    {'sampling': 'first', 'frames': 2, 'skip': 3}, 'classification'
  )
  times = spec.sampler.times(samplers.Extent(1.0, 9.0, 9.0), spec, 10.0, None)
  assert times.tolist() == [[1.35, 1.45]]


def test_a_dataset(add, tmp_path):
  add(
    datasets,
    'mine',
    'from vidpetl.data import dataset\n'
    'from vidpetl.data.sources import folder\n\n\n'
    'def open(dataset, raw, split):\n'
    '  return folder.open(raw, split, name=dataset)\n\n\n'
    'DATASET = dataset.Dataset(\n'
    "  name='mine', kind='classification', title='Mine', description='Mine.',\n"
    "  layout='', citation='', licence='', open=open, num_classes=2,\n"
    '  mirrored=False,\n'
    ')\n',
  )
  datasets._listing.cache_clear()
  try:
    for name in ('a', 'b'):
      for split in ('train', 'val'):
        place = tmp_path / 'mine' / split / name
        place.mkdir(parents=True)
        (place / 'clip.mp4').touch()
    config = named.load(f'adapt:data=mine,raw={tmp_path},small')
    assert not config.tasks.mine.augment.flip
    source = sources.open_source(config.tasks.mine.train)
    assert source.info.num_classes == 2 and len(source) == 2
  finally:
    datasets._listing.cache_clear()


def test_a_backbone(add):
  add(
    backbones,
    'flat',
    'import flax.linen as nn\n\n'
    'from vidpetl.backbones import features\n\n\n'
    'class Flat(nn.Module):\n'
    '  width: int = 4\n\n'
    '  @nn.compact\n'
    '  def __call__(self, video, train):\n'
    '    x = nn.Dense(self.width)(video)\n'
    '    return features.Features(x, x.mean((1, 2, 3)))\n\n\n'
    'build = Flat\n',
  )
  model = backbones.build({'name': 'flat', 'width': 2})
  video = jnp.zeros((1, 2, 8, 8, 3))
  features, _ = model.init_with_output(jax.random.key(0), video, train=False)
  assert features.summary.shape == (1, 2)
  with pytest.raises(ValueError, match=r'there are: c3d, .*eva, flat, hiera, '):
    backbones.build({'name': 'flt'})


def test_a_writer(add, tmp_path):
  add(
    writers,
    'steps',
    'from vidpetl.training.writers import scalars_only\n\n\n'
    'class Steps(scalars_only.ScalarsOnly):\n'
    '  def __init__(self, about):\n'
    "    self.path = about.workdir / 'steps'\n\n"
    '  def write_scalars(self, step, scalars):\n'
    '    self.path.write_text(str(step))\n\n\n'
    'def check():\n'
    "  raise ValueError('not here')\n\n\n"
    'build = Steps\n',
  )
  with pytest.raises(ValueError, match='not here'):
    writers.check(('steps',))
  writer = writers.create(epath.Path(tmp_path), ('steps',))
  writer.write_scalars(7, {'loss': 1.0})
  writer.close()
  assert (tmp_path / 'steps').read_text() == '7'


def test_a_kind_and_its_task(add):
  add(
    kinds,
    'counts',
    'import dataclasses\n\n'
    'from vidpetl.data import kinds\n\n\n'
    '@dataclasses.dataclass(frozen=True)\n'
    'class Counts(kinds.Kind):\n'
    '  most: int = 9\n\n\n'
    'KIND = Counts()\n',
  )
  add(
    tasks,
    'counting',
    'import dataclasses\n\n'
    'from vidpetl.tasks import task\n\n'
    "KIND = 'counts'\n\n\n"
    '@dataclasses.dataclass(frozen=True, kw_only=True)\n'
    'class Counting(task.Task):\n'
    '  penalty: float = 0.5\n\n\n'
    'build = Counting\n',
  )
  config = named.load('mst_adapter').copy_and_resolve_references().unlock()
  config.tasks = {'mine': {'task': 'counting', 'clip': {'most': 3}}}
  whole = complete.complete(config).tasks.mine
  assert (whole.penalty, whole.clip.most, whole.eval_clip.most) == (0.5, 3, 3)
