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
from vidpetl.backbones import attending
from vidpetl.exporting import comparing, films, targets, writing
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
def test_jax_export_holds_them_for_any_batch(case, tmp_path, monkeypatch):
  subject = make(case)
  assert subject.task.name  # Models are built by whatever kernel.
  # Whatever kernel this machine attends by is not in the file.
  kernel = attending.Way('kernel', lambda shapes, on: True, None)
  with monkeypatch.context() as here:
    here.setattr(attending, 'WAYS', (kernel, *attending.WAYS))
    parts.load(targets, 'jax', 'EXAMPLE', '--to').write(subject, tmp_path)
  found = through('jax', subject, tmp_path)
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
  assert taken.words == 'the film of demo:clips'
  assert np.ptp(taken.arrays['video']) > 100


def test_a_config_of_something_else_is_no_run(run, tmp_path):
  (tmp_path / 'config.json').write_text('{"model_type": "videomae"}')
  taken = films.take(subject_of(run), str(tmp_path / 'model'))
  assert 'no data of the task own' in taken.words


def test_a_task_without_an_answer_is_refused():
  spec = trained_models.describe('c3d', task='pretext.rspnet', num_classes=0)
  with pytest.raises(ValueError, match='three clips'):
    subject_lib.Subject(spec, {}, 'own', 'runs/x')
