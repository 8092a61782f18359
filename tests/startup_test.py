"""What is not imported until it is needed, in processes of their own."""

import gc
import subprocess
import sys

import experiments
import numpy as np
from safetensors import numpy as safetensors

from vidpetl import garbage

DATA = ('tensorflow', 'tensorflow_datasets', 'clu', 'tensorboard')
JAX = ('jax', 'jaxlib', 'flax', 'optax', 'orbax')
# Models, steps, and what measures them.
MODELS = (
  'vidpetl.training.loop',
  'vidpetl.studies.cost',
  'vidpetl.studies.flops',
  'vidpetl.data.benchmark',
  'vidpetl.inference.model',
  'bench',
  'bench_steps',
)


def run(code, *words, without):
  """Runs code in a Python that lacks some packages."""
  lacking = f'import sys\nfor name in {without}: sys.modules[name] = None\n'
  return subprocess.run(
    [sys.executable, '-c', lacking + code, *words],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )


def test_models_steps_and_benchmarks_need_no_tensorflow():
  code = 'sys.path.insert(0, "launch")\n'
  code += ''.join(f'import {module}\n' for module in MODELS)
  done = run(code, without=DATA)
  assert done.returncode == 0, done.stderr


def test_tensorflow_is_loaded_without_keras(tmp_path):
  (tmp_path / 'tensorflow.py').write_text("""
import types
config = types.SimpleNamespace(set_visible_devices=lambda *_: None)
try:
  import keras
except ImportError:
  keras = None
""")
  (tmp_path / 'keras.py').write_text('')
  code = """
sys.path.insert(0, sys.argv[1])
from vidpetl.data import tensorflow_start
tensorflow_start.load()
import tensorflow
assert tensorflow.keras is None
import keras
"""
  done = run(code, str(tmp_path), without=())
  assert done.returncode == 0, done.stderr


def test_an_import_that_failed_is_told_to_who_loads_it(tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise OSError("no such library")')
  code = """
import time
sys.path.insert(0, sys.argv[1])
from vidpetl.data import tensorflow_start
tensorflow_start.begin()
while not tensorflow_start.was_tried():
  time.sleep(0.01)
tensorflow_start.load()
"""
  done = run(code, str(tmp_path), without=())
  assert 'OSError: no such library' in done.stderr


def test_old_objects_are_looked_through_again_after_the_start():
  usual = gc.get_threshold()
  garbage.starting()
  assert gc.get_threshold()[2] > usual[2]
  garbage.started()
  assert gc.get_threshold() == usual
  assert gc.get_freeze_count()
  gc.unfreeze()


def test_convert_shows_a_file_without_jax_and_tensorflow(tmp_path):
  path = str(tmp_path / 'some.safetensors')
  safetensors.save_file({'a': np.zeros((2, 3), np.float32)}, path)
  code = """
import runpy
sys.argv = ['convert', *sys.argv[1:]]
runpy.run_module('vidpetl.convert', run_name='__main__', alter_sys=True)
"""
  done = run(code, '--show', path, without=(*DATA, *JAX))
  assert done.returncode == 0, done.stderr
  assert '2x3  float32' in done.stdout
