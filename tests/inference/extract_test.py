"""Features in files: what the backbone makes, when it is, and of what."""

import drawn
import numpy as np
import pytest
import safetensors.numpy
import trained_models

import vidpetl
from vidpetl.inference import extracting, feature_files, moments
from vidpetl.parameters import storage


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('model')
  return vidpetl.load(trained_models.write(folder, 'videomae_b'))


@pytest.fixture
def films(tmp_path):
  """Two films of a name, and one that is none."""
  names = ('monday/a.mp4', 'friday/a.mp4')
  paths = [drawn.clip(tmp_path / 'films' / n, i) for i, n in enumerate(names)]
  (tmp_path / 'films' / 'bad.mp4').write_bytes(b'no film')
  return [*paths, str(tmp_path / 'films' / 'bad.mp4')]


WHAT = ('summary', 'grid', 'blocks')


def extract(model, films, out, *, told=(), form='npz', dtype='float32', **more):
  """Writes features of films; returns the sink."""
  form = feature_files.Form(WHAT, form, dtype)
  with extracting.Sink(out, form, dict(told)) as sink:
    extracting.of_films(
      model, 'own', films, sink, lambda name: None, (-1,), **more
    )
  return sink


def test_files_have_what_the_model_makes(model, films, tmp_path):
  sink = extract(model, films, tmp_path / 'out', window=0.5)
  assert sink.done == 2 and list(sink.failed) == [films[2]]
  assert 'bad.mp4' in (tmp_path / 'out' / 'unreadable.csv').read_text()
  found = model.features(films[1], blocks=(-1,), window=0.5)
  with np.load(tmp_path / 'out' / 'friday' / 'a.npz') as file:
    np.testing.assert_array_equal(file['summary'], found.summary)
    np.testing.assert_array_equal(file['grid'], found.grid)
    np.testing.assert_array_equal(
      file['blocks/-1/grid'], found.blocks['blocks/-1/grid']
    )
    assert file['begin'].tolist() == [0.0, 0.5]
    assert file['times'].shape == found.grid.shape[:2]


def test_what_is_there_stays_unless_something_changed(model, films, tmp_path):
  out = tmp_path / 'out'
  extract(model, films, out)
  drawn.clip(tmp_path / 'films' / 'monday' / 'a.mp4', 7)
  again = extract(model, films, out)
  assert (again.done, again.left) == (1, 1)
  (out / 'friday' / 'a.npz').write_bytes(b'half of it')
  again = extract(model, films, out)
  assert (again.done, again.left) == (1, 1)
  other = extract(model, films, out, told={'model': 'another'})
  assert (other.done, other.left) == (2, 0)


def test_one_file_has_all_films(model, films, tmp_path):
  out = tmp_path / 'new' / 'all.safetensors'
  extract(model, films, out, form='safetensors', dtype='bfloat16')
  arrays = safetensors.numpy.load_file(out)
  assert {name.rpartition('/')[0] for name in arrays} >= {
    'monday/a',
    'friday/a',
  }
  assert arrays['monday/a/summary'].dtype == 'bfloat16'
  assert arrays['monday/a/times'].dtype == np.float64
  about = storage.read_metadata(str(out))[feature_files.ABOUT]
  assert '"monday/a"' in about


def test_a_token_is_in_the_middle_of_its_frames(model):
  program = model.program()
  frames = program.task.eval_clip.frames
  times = 3600.0 * 5 + np.arange(2 * frames).reshape(2, frames) / 1000
  found = moments.of_tokens(program.task, program.info, times, frames // 2)
  expected = times.reshape(2, -1, 2).mean(-1)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
  'fields, told',
  [
    ({'what': ('tokens',)}, 'it is of summary, grid, blocks'),
    ({'dtype': 'bfloat16'}, 'npz files have no such type'),
  ],
)
def test_forms_that_cannot_be_are_refused(fields, told):
  with pytest.raises(ValueError, match=told):
    feature_files.Form(**fields)
