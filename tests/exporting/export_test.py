"""Exports say what the run says; their receivers need no vidpetl."""

import json
import os
import re
import subprocess
import sys

import drawn
import numpy as np
import pytest
import trained_models
from jax import export

from vidpetl import parts
from vidpetl.exporting import comparing, films, freeing, targets, writing
from vidpetl.exporting import subject as subject_lib
from vidpetl.inference import model

LORA = {'site': 'attn_qkv', 'technique': 'lora', 'rank': 2}
PATT = {'site': 'attn_qkv', 'technique': 'patt', 'bottleneck': 4}
ADAPTER = {'site': 'mlp', 'technique': 'adapter', 'bottleneck': 4}
MST = {'site': 'mlp_residual', 'technique': 'mst_adapter', 'bottleneck': 4}
QUALITY = {'starts': (0, 8), 'length': 8, 'clip': {'frames': 16}}
CASES = {
  'vit lora': (('videomae_b', [LORA]), {}),
  'swin patt': (('swin_t', [PATT]), {'eval_clip': {'views': (2, 3)}}),
  'vivit adapter boxes': (('vivit_b', [ADAPTER]), {'task': 'localisation'}),
  'clip mst_adapter': (('clip_b16', [MST]), {'task': 'multilabel'}),
}


def make(case):
  """Returns the subject of a case."""
  args, options = CASES[case]
  spec = trained_models.describe(*args, **options)
  return subject_lib.Subject(spec, trained_models.weights(spec), 'own', case)


def through(target, subject, folder):
  """Returns how far a target is from the run."""
  part = parts.load(targets, target, 'EXAMPLE', '--to')
  part.write(subject, folder)
  noise = films.Clips(films.noise(subject), 'noise')
  return comparing.compare(subject, part.reader(subject, folder), noise)


@pytest.mark.parametrize('case', sorted(CASES))
def test_onnx_holds_techniques_windows_and_boxes(case, tmp_path):
  pytest.importorskip('jax2onnx')
  found = through('onnx', make(case), tmp_path)
  assert found.within(1e-4), found
  assert found.scale > 1e-2


@pytest.mark.parametrize('case', ['vivit adapter boxes', 'swin patt'])
def test_jax_export_holds_them_for_any_batch(case, tmp_path):
  found = through('jax', make(case), tmp_path)
  assert found.within(1e-4), found
  # Every accelerator is in the one file.
  data = bytearray((tmp_path / 'model.jax_export').read_bytes())
  assert export.deserialize(data).platforms == ('cpu', 'cuda', 'tpu')


def test_relative_scores_are_compared_by_a_program_of_their_own(tmp_path):
  spec = trained_models.describe(
    'c3d',
    task='quality.core',
    num_classes=0,
    depth=2,
    starts=(0, 8),
    length=8,
    clip={'frames': 16, 'exemplar': 'any'},
  )
  made = subject_lib.Subject(spec, trained_models.weights(spec), 'own', 'core')
  found = through('jax', made, tmp_path)
  assert {'embedding', 'predicted'} <= set(found.what)
  assert found.within(1e-4), found


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return trained_models.write(
    tmp_path_factory.mktemp('run') / 'run', 'videomae_b', [LORA]
  )


@pytest.fixture(scope='module')
def film(tmp_path_factory):
  return drawn.clip(tmp_path_factory.mktemp('film') / 'film.mp4', frames=15)


def subject_of(run):
  asked = model.load(run)
  return subject_lib.Subject(asked.spec, asked.params, 'own', run)


BLOCKED = """
import sys
class Blocked:
  def find_spec(self, name, path=None, target=None):
    if name.partition('.')[0] in {names!r}:
      raise ImportError(name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize(
  'to, blocked',
  [
    ('jax', ('vidpetl', 'tensorflow', 'flax')),
    ('onnx', ('vidpetl', 'tensorflow', 'jax', 'flax')),
    pytest.param(
      'saved_model', ('vidpetl', 'jax', 'flax'), marks=pytest.mark.slow
    ),
  ],
)
def test_the_readme_answers_a_film_as_the_run_does(
  to, blocked, run, film, tmp_path
):
  if to == 'onnx':
    pytest.importorskip('jax2onnx')
  out = tmp_path / 'out'
  writing.write(subject_of(run), to, str(out), [film])
  whole = ['sha256sum', '--check', '--strict', 'SHA256SUMS']
  assert subprocess.run(whole, cwd=out, check=False).returncode == 0
  text = (out / 'README.md').read_text()
  (program,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  assert len(program.splitlines()) <= 11
  program = program.replace('film.mp4', film)
  program += "print(np.array(answer['scores'][0]).tolist())"
  env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  done = subprocess.run(
    [sys.executable, '-c', BLOCKED.format(names=blocked) + program],
    cwd=out,
    env=env,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  label, scores = done.stdout.strip().splitlines()[-2:]
  said = model.load(run)(film)
  np.testing.assert_allclose(json.loads(scores), said.scores, atol=1e-5)
  assert label == said.top(1)[0][0]


def test_scores_are_shares_where_logits_are_averaged(film, tmp_path):
  options = {'average': 'logits', 'eval_clip': {'views': (2, 1)}}
  folder = trained_models.write(tmp_path / 'r', 'videomae_b', **options)
  made = subject_of(folder)
  batch = films.take(made, folder, [film]).arrays
  (program,) = made.programs()
  given = {name: batch[name] for name in program.inputs}
  found = program.function(dict(made.params), given)
  said = model.load(folder)(film)
  np.testing.assert_allclose(found['scores'][0], said.scores, atol=1e-5)


def test_what_says_something_else_is_refused_and_nothing_is_left(
  run, film, tmp_path
):
  out = tmp_path / 'out'
  with pytest.raises(ValueError, match='was not written'):
    writing.write(subject_of(run), 'jax', str(out), [film], tolerance=-1.0)
  assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_not_written_over(run, tmp_path):
  (tmp_path / 'mine').write_text('')
  with pytest.raises(ValueError, match='not an empty folder'):
    writing.write(subject_of(run), 'jax', str(tmp_path))
  assert [p.name for p in tmp_path.iterdir()] == ['mine']


def test_noise_alone_is_said_to_be_noise(run):
  taken = films.take(subject_of(run), run)
  assert 'noise alone' in taken.words and '--clips' in taken.words


def test_a_model_that_comes_along_is_compared_on_its_film():
  asked = model.load('demo:clips')
  made = subject_lib.Subject(
    asked.spec, asked.params, asked.task(), 'demo:clips'
  )
  taken = films.take(made, made.origin)
  assert taken.words == '1 film of demo:clips'
  assert np.ptp(taken.arrays['video']) > 100


def test_a_config_of_something_else_is_no_run(run, tmp_path):
  (tmp_path / 'config.json').write_text('{"model_type": "videomae"}')
  taken = films.take(subject_of(run), str(tmp_path / 'model'))
  assert 'no data of the task own' in taken.words


def test_a_task_without_an_answer_is_refused():
  spec = trained_models.describe('c3d', task='pretext.rspnet', num_classes=0)
  with pytest.raises(ValueError, match='three clips'):
    subject_lib.Subject(spec, {}, 'own', 'runs/x')


def test_a_film_that_cannot_be_read_does_not_stop_an_export(run, tmp_path):
  for i in range(6):
    drawn.clip(tmp_path / 'films' / 'run' / f'{i}.mp4', i)
  (tmp_path / 'films' / 'run' / '0.mp4').write_bytes(b'no film')
  options = {'source': 'folder', 'path': str(tmp_path / 'films')}
  config = {'tasks': {'own': {'eval': {**options, 'split': 'all'}}}}
  (tmp_path / 'config.json').write_text(json.dumps(config))
  taken = films.take(subject_of(run), str(tmp_path))
  assert taken.words.startswith('4 films of films/all, without 1 that')
  assert '0.mp4' in taken.words
  # Another one takes its place.
  assert len({clip.tobytes() for clip in taken.arrays['video']}) == 4


def plain(backbone):
  """Returns the subject of a backbone without techniques."""
  spec = trained_models.describe(backbone)
  return subject_lib.Subject(spec, trained_models.weights(spec), 'own', 'x')


@pytest.mark.slow
def test_frames_and_size_of_a_convolutional_network_are_free(tmp_path):
  freed = freeing.free(plain('r3d_18'), ['frames', 'size'])
  assert freed.free == {'frames': 1, 'size': 16}
  said = writing.write(freed, 'jax', str(tmp_path / 'out'))
  assert 'made into 5 frames of 48 x 48 pixels' in said[1]


def test_frames_are_free_and_compared_in_another_number(monkeypatch, tmp_path):
  freed = freeing.free(plain('clip_b16'), ['frames'])
  clip = freed.task.eval_clip
  asked, compare = [], comparing.compare

  def compared(subject, run, clips):
    asked.append(clips.arrays['video'].shape[1])
    return compare(subject, run, clips)

  monkeypatch.setattr(comparing, 'compare', compared)
  out = tmp_path / 'out'
  said = writing.write(freed, 'jax', str(out))
  assert asked == [clip.frames, clip.frames + 1]
  assert f'{clip.frames + 1} frames' in said[1]
  described = json.loads((out / 'preprocessing.json').read_text())
  assert described['free']['multiples'] == {'frames': 1}
  shape = described['programs']['model']['video']['shape']
  assert shape[:2] == ['b', 't']
  text = (out / 'README.md').read_text()
  assert '`clip.frames` in multiples of 1' in text and said[1] in text


def test_a_table_of_positions_is_for_its_own_size_alone():
  made = make('vit lora')
  with pytest.raises(ValueError, match='--free=frames does not go with'):
    freeing.free(made, ['frames'])
  with pytest.raises(ValueError, match='--free=height is none of'):
    freeing.free(made, ['height'])


def test_segments_keep_their_frames():
  spec = trained_models.describe(
    'c3d', task='quality.usdl', num_classes=0, **QUALITY
  )
  made = subject_lib.Subject(spec, {}, 'own', 'x')
  with pytest.raises(ValueError, match='counted in frames'):
    freeing.free(made, ['frames'])
