"""Two processes fill one cache, one of them is killed, and they go on."""

import json
import os
import subprocess
import sys

import experiments
import numpy as np
import pytest

from vidpetl.caching import shards
from vidpetl.training import filling, loop

# A run whose every clip is a shard, and of which a process may be killed.
TARGET = """
import os, runpy, signal, sys
from vidpetl.caching import shards
shards._SECONDS, at, added = 0.0, os.environ.get('KILLED_AT'), []
add = shards.Writer.add
def add_some(self, *clip):
  add(self, *clip)
  added.append(clip)
  if str(len(added)) == at and '--process_id=1' in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
shards.Writer.add = add_some
runpy.run_module('vidpetl.main', run_name='__main__', alter_sys=True)
"""


@pytest.fixture
def make(make_config):
  """Returns a function that makes a config that reads a cache."""

  def make(path):
    config = make_config('kinetics400', steps=3).unlock()
    config.trainable = (('backbone/.*', 'frozen'), ('.*', 'all'))
    config.backbone.stochastic_depth = 0.0
    config.cache = {'path': str(path), 'views': 2, 'dtype': 'float32'}
    return config.lock()

  return make


def losses(workdir):
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return [row[k] for row in rows for k in row if k.endswith('/loss')]


@pytest.mark.slow
def test_two_hosts_fill_a_cache_go_on_and_train_from_it(
  make, config_file, tmp_path
):
  (tmp_path / 'target.py').write_text(TARGET)
  path = config_file(make(tmp_path / 'cache'))

  def run(**more):
    paths = os.pathsep.join([str(tmp_path), str(experiments.ROOT)])
    return subprocess.run(
      [
        *(sys.executable, 'launch/multiprocess.py', '--processes=2'),
        *('--module=target', '--', f'--workdir={tmp_path / "run"}'),
        f'--config={path}',
      ],
      cwd=experiments.ROOT,
      env={**os.environ, 'PYTHONPATH': paths, **more},
      capture_output=True,
      text=True,
    )

  assert run(KILLED_AT='3').returncode == 137
  kept = shards.counted(tmp_path / 'cache')
  assert kept >= 3
  done = run()
  assert done.returncode == 0, done.stdout
  assert f'{12 - kept} clips (6 examples, 2 of each)' in done.stdout
  assert shards.counted(tmp_path / 'cache') == 12 + 4
  # Both have written.
  names = [p.stem for p in (tmp_path / 'cache').glob('*/*.entries')]
  assert {name.rpartition('-')[2] for name in names} == {'0', '1'}
  loop.run(make(tmp_path / 'other'), str(tmp_path / 'alone'))
  np.testing.assert_allclose(
    losses(tmp_path / 'run'), losses(tmp_path / 'alone'), rtol=1e-4
  )


def test_a_folder_that_a_host_does_not_see_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(filling, '_LATE', -1.0)
  assert len(filling._seen(tmp_path / 'cache', {}, 0)) == 0
  with pytest.raises(ValueError, match='has 3 clips, of which process 0 sees'):
    filling._seen(tmp_path / 'cache', {}, 3)
