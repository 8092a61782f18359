"""Trained runs that answer films, whatever they left."""

import json
import pathlib
import shutil
import types

import experiments
import jax
import numpy as np
import pytest

import vidpetl
from vidpetl import predict
from vidpetl.data import decode
from vidpetl.experiment import spec, trained
from vidpetl.inference import films as films_lib
from vidpetl.inference import models, question, windows, writing
from vidpetl.parameters import package, sealed, storage, sums
from vidpetl.serving import shelf
from vidpetl.training import loop


@pytest.fixture(scope='module')
def runs(world, tmp_path_factory):
  """A run that trains all, and two on what it left, with LoRA."""
  folder = tmp_path_factory.mktemp('runs')

  def train(name, argument, **fields):
    config = experiments.load_config('vpetl', f'dataset=hmdb51,demo,{argument}')
    config = experiments.shrink(config, world).unlock()
    config.seed = fields.pop('seed', 0)
    for field, value in fields.items():
      config.init[field] = value
    loop.run(config.lock(), str(folder / name))
    return folder / name

  full = train('full', 'method=full,head=true')
  base = {'path': str(full), 'skip': ('/site_',)}
  return types.SimpleNamespace(
    full=full,
    lora=train('lora', 'method=lora,rank=2,head=true', **base),
    other=train('other', 'method=lora,rank=2,head=true', **base, seed=1),
  )


@pytest.fixture(scope='module')
def clips(runs):
  """Test clips with their logits, as the evaluation of each run left them."""
  found = {}
  for name, run in vars(runs).items():
    (file,) = (run / 'predictions').glob('hmdb51.*.npz')
    with np.load(file) as arrays:
      found[name] = dict(zip(arrays['ids'].tolist(), arrays['logits']))
  return found


@pytest.fixture(scope='module')
def paths(world, clips):
  """Test clip -> its film."""
  below = pathlib.Path(world['hmdb51']).rglob('*.avi')
  by_name = {path.stem: path for path in below}
  return {i: by_name[pathlib.PurePath(i).stem] for i in clips['full']}


@pytest.mark.parametrize('name', ['full', 'lora'])
def test_a_film_has_the_logits_of_its_evaluation(runs, clips, paths, name):
  model = vidpetl.load(getattr(runs, name))
  for example, film in list(paths.items())[:4]:
    answer = model(film)
    assert len(answer.begins) == 1
    np.testing.assert_allclose(
      answer.logits[0], clips[name][example], rtol=1e-5, atol=1e-6
    )
    assert answer.names == model.labels()


def test_the_command_says_the_same_to_the_bit(runs, paths, tmp_path):
  model = vidpetl.load(runs.lora)
  films = [str(path) for path in list(paths.values())[:3]]
  predict.answer(model, films, 'hmdb51', {'window': 0.7}, str(tmp_path), None)
  said = json.loads((tmp_path / writing.JSON).read_text())
  backwards = [model(film, window=0.7).to_json() for film in films[::-1]]
  assert said == backwards[::-1]
  assert len(said[0]['windows']) > 1


def test_a_run_of_before_says_the_same(runs, paths, tmp_path):
  older = tmp_path / 'older'
  shutil.copytree(runs.full, older)
  (older / 'model.json').unlink()
  film = next(iter(paths.values()))
  expected = vidpetl.load(runs.full)(film, window=1.0)
  found = vidpetl.load(older)(film, window=1.0)
  np.testing.assert_array_equal(found.logits, expected.logits)
  assert found.names == expected.names


def test_a_package_lies_anywhere_with_its_backbone(runs, paths, tmp_path):
  moved = tmp_path / 'moved'
  shutil.copytree(runs.lora / 'adapter', moved)
  film = next(iter(paths.values()))
  with pytest.raises(ValueError, match='--backbone='):
    vidpetl.load(moved)
  expected = vidpetl.load(runs.lora)(film)
  found = vidpetl.load(moved, backbone=runs.full)(film)
  np.testing.assert_array_equal(found.logits, expected.logits)
  with pytest.raises(package.PackageError, match='another backbone'):
    vidpetl.load(moved, backbone=_changed(runs.full, tmp_path))


def _changed(run, tmp_path):
  """The same run with other parameters, as a model that is whole in itself."""
  read = trained.read(str(run))
  arrays = {k: v + 1 for k, v in read.arrays.items()}
  trained.write(tmp_path / 'changed', read.spec, arrays)
  return tmp_path / 'changed'


def test_packages_share_a_backbone_and_programs(runs, clips, paths):
  model = vidpetl.load(runs.lora, adapters={'other': runs.other})
  example, film = next(iter(paths.items()))
  main = model(film)
  with jax.log_compiles(False):
    other = model(film, adapter='other')
  assert np.abs(main.logits - other.logits).max() > 0
  np.testing.assert_allclose(
    other.logits[0], clips['other'][example], rtol=1e-5, atol=1e-6
  )
  model.remove('other')
  with pytest.raises(ValueError, match="'other' is not loaded"):
    model(film, adapter='other')


def test_packages_can_be_put_on_the_run_that_they_started_from(runs, paths):
  film = next(iter(paths.values()))
  model = vidpetl.load(runs.full, adapters={'lora': runs.lora})
  for run, name in ((runs.full, 'main'), (runs.lora, 'lora')):
    np.testing.assert_array_equal(
      model(film, adapter=name).logits, vidpetl.load(run)(film).logits
    )


def test_films_that_cannot_be_read_are_named_and_the_rest_goes_on(
  runs, paths, tmp_path, capsys
):
  broken = tmp_path / 'broken.mp4'
  broken.write_bytes(b'no film at all')
  films = [str(broken), str(next(iter(paths.values())))]
  model = vidpetl.load(runs.full)
  out = tmp_path / 'out'
  assert predict.answer(model, films, 'hmdb51', {}, str(out), None) == 1
  assert 'broken.mp4' in (out / 'unreadable.csv').read_text()
  assert len((out / 'videos.csv').read_text().splitlines()) == 2
  assert '1 could not be read' in capsys.readouterr().out
  with pytest.raises(decode.DecodeError, match='broken'):
    model(broken)


def test_features_are_the_backbones(runs, paths):
  model = vidpetl.load(runs.full)
  film = next(iter(paths.values()))
  found = model.features(film, window=0.7)
  n, width = len(found.begins), found.grid.shape[-1]
  assert n > 1
  assert found.grid.shape[0] == n
  assert found.summary.shape == (*found.grid.shape[:-4], width)


@pytest.mark.parametrize(
  'given, message',
  [
    ({'run': 'nowhere'}, 'no such folder'),
    ({'run': '.'}, 'neither the working directory'),
    ({'checkpoint': 77}, 'it has those of steps 2'),
  ],
)
def test_what_is_not_there_is_said(runs, given, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(ValueError, match=message):
    vidpetl.load(**{'run': runs.full, **given})


def test_unknown_options_are_said(runs, paths):
  with pytest.raises(ValueError, match='no option windows; there are: window'):
    vidpetl.load(runs.full)(next(iter(paths.values())), windows=3)


def ask(duration, seconds=None, frames=10, **options):
  film = types.SimpleNamespace(duration=duration, fps=10.0)
  clip = types.SimpleNamespace(
    sampling='stride', fps=None, frames=frames, stride=2.0
  )
  return windows.cut(
    question.Question(
      'film',
      film,
      types.SimpleNamespace(eval_clip=clip),
      types.SimpleNamespace(fps=None),
      seconds,
      question.Options(**options),
    )
  )


KNOWN = {'median': 4.0, 'longest': 8.0}
PICTURES = {'median': 0.04, 'longest': 0.04}


@pytest.mark.parametrize(
  'found, expected',
  [
    # As long as what was trained on: whole, as in an evaluation.
    (lambda: ask(9.9, KNOWN), [(0, None)]),
    (lambda: ask(12.0, KNOWN), [(0, 4), (4, 8), (8, None)]),
    # What is left over belongs to the last one.
    (lambda: ask(13.0, KNOWN), [(0, 4), (4, 8), (8, None)]),
    (lambda: ask(15.0, KNOWN), [(0, 4), (4, 8), (8, 12), (12, None)]),
    (lambda: ask(14.0, KNOWN), [(0, 4), (4, 8), (8, None)]),
    # Nothing is known: what a clip spans.
    (lambda: ask(4.0), [(0, 2), (2, None)]),
    (lambda: ask(3.0, KNOWN, window=2.0, hop=1.0), [(0, 2), (1, None)]),
    (lambda: ask(3.0, KNOWN, window=9.0), [(0, None)]),
    # A model of pictures is asked once a second.
    (lambda: ask(2.0, PICTURES, frames=1), [(0, 1), (1, None)]),
    (lambda: ask(2.0, None, frames=1), [(0, 1), (1, None)]),
    (lambda: ask(8.0, KNOWN, frames=1), [(0, None)]),
  ],
)
def test_windows_cover_a_film(found, expected):
  assert found() == expected


def test_films_of_folders_come_once_and_in_order(tmp_path):
  for name in ('b.mp4', 'a.MP4', 'notes.txt', 'deep/c.webm'):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  listed = films_lib.listed([str(tmp_path), str(tmp_path / 'b.mp4')])
  assert [pathlib.Path(path).name for path in listed] == [
    *('a.MP4', 'b.mp4', 'c.webm'),
  ]
  with pytest.raises(ValueError, match='no video in this folder'):
    films_lib.listed([str(_empty(tmp_path))])
  with pytest.raises(ValueError, match='no such file or folder'):
    films_lib.listed([str(tmp_path / 'x.mp4')])


def _empty(tmp_path):
  (tmp_path / 'empty').mkdir()
  return tmp_path / 'empty'


def test_the_models_that_come_along_are_small_and_answer_their_films():
  folder = pathlib.Path(models.FOLDER)
  sizes = [path.stat().st_size for path in folder.rglob('*')]
  assert sum(sizes) < 2e6
  assert models.names() == ['demo:clips', 'demo:people']
  for name in models.names():
    arrays = models.find(name, trained.ARRAYS)
    assert sums.KEY in storage.read_metadata(arrays)
    assert sealed.KEY in json.loads((folder / name[5:] / spec.FILE).read_text())
  model = vidpetl.load('demo:clips')
  (film,) = films_lib.listed(['demo:clips'])
  answer = model(film)
  best = [model.labels()[i] for i in answer.window_scores.argmax(1)]
  # The film is clips of clap, fall_floor, kick and walk.
  assert best[1:] == ['fall_floor', 'kick', 'walk']
  with pytest.raises(ValueError, match='there are: demo:clips, demo:people'):
    vidpetl.load('demo:others')


def test_runs_on_one_backbone_share_it_on_a_shelf(runs, paths):
  stand = shelf.Shelf([str(each) for each in vars(runs).values()])
  lora, other, full = (stand.runs[name] for name in ('lora', 'other', 'full'))
  assert lora.model is other.model is not full.model
  film = next(iter(paths.values()))
  for name, each in stand.runs.items():
    options, check = question.Options(), lambda: None
    found = stand.answer(each, 'hmdb51', film, options, check)
    expected = vidpetl.load(getattr(runs, name))(film)
    np.testing.assert_array_equal(found.logits, expected.logits)
