"""What --to=torch writes is read by transformers itself, and says the same."""

import json
import os
import pathlib
import re
import subprocess
import sys

import drawn
import numpy as np
import pytest
import torchvision_build
import trained_models

from vidpetl.exporting import comparing, families, films, preprocessing
from vidpetl.exporting import subject as subject_lib

LORA = {'site': 'attn_qkv', 'technique': 'lora', 'rank': 2}
ADAPTER = {'site': 'mlp', 'technique': 'adapter', 'bottleneck': 4}
# Of a receiver: PyTorch's, and nothing of ours or of JAX.
RECEIVER = """
import sys
sys.path.insert(0, {tests!r})
import torchvision_build
torchvision_build.load()
class Blocked:
  def find_spec(self, name, path=None, target=None):
    if name.partition('.')[0] in ('vidpetl', 'jax', 'flax', 'tensorflow'):
      raise ImportError(name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture(scope='module')
def film(tmp_path_factory):
  return drawn.clip(tmp_path_factory.mktemp('film') / 'film.mp4', frames=50)


def make(petl, **options):
  spec = trained_models.describe('videomae_b', petl, **options)
  return subject_lib.Subject(spec, trained_models.weights(spec), 'own', 'x')


@pytest.mark.torch
@pytest.mark.parametrize('resize', ['crop', 'pad'])
def test_transformers_reads_a_merged_run_and_says_the_same(
  resize, film, tmp_path
):
  torchvision_build.load()
  transformers = pytest.importorskip('transformers')
  views = {'eval_clip': {'views': (2, 1)}}
  made = make([LORA], clip={'resize': resize}, **views)
  out = tmp_path / 'out'
  said = '\n'.join(families.write(made, str(out), clips=[film]))
  assert 'lora merged' in said
  theirs, info = transformers.VideoMAEForVideoClassification.from_pretrained(
    out, output_loading_info=True
  )
  assert not any(
    info[k] for k in ('missing_keys', 'unexpected_keys', 'mismatched_keys')
  )
  assert theirs.config.id2label == {0: 'run', 1: 'jump', 2: 'sit'}

  text = (out / 'README.md').read_text()
  (program,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  program = program.replace('film.mp4', film) + 'print(logits.tolist())'
  tests = str(pathlib.Path(torchvision_build.__file__).parent)
  done = subprocess.run(
    [sys.executable, '-c', RECEIVER.format(tests=tests) + program],
    cwd=out,
    env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  label, logits = done.stdout.strip().splitlines()[-2:]
  clips = films.take(made, '', [film]).arrays
  (wanted,) = comparing.reference(made, clips)['logits']
  assert np.ptp(wanted) > 0.3
  np.testing.assert_allclose(json.loads(logits), wanted, atol=1e-4)
  assert label == ('run', 'jump', 'sit')[int(np.argmax(wanted))]


def test_weights_alone_say_what_is_left_to_the_receiver(film, tmp_path):
  families.write(make([LORA]), str(tmp_path / 'out'), clips=[film])
  text = (tmp_path / 'out' / preprocessing.FILE).read_text()
  assert 'inside of the model' not in text
  assert json.loads(text)['programs'] == {}


def test_what_does_not_merge_is_named_and_nothing_is_left(tmp_path):
  with pytest.raises(ValueError, match=r'--to=torch: .*adapter.*--to=onnx'):
    families.write(make([ADAPTER]), str(tmp_path / 'out'))
  assert not list(tmp_path.iterdir())
