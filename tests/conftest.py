"""A tiny demo world, and experiments on it that train in seconds."""

import collections
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import tempfile
import zlib

# Compiling is most of what tests do; these programs run for milliseconds. So
# they are not optimised, and workers and subprocesses share what is compiled.
# XLA's fusion emitters on CPU take up to two thirds of the time of compiling a
# step, and what links programs that are compiled in parts a tenth.
if 'PYTEST_XDIST_WORKER' not in os.environ:
  os.environ['XLA_FLAGS'] = ' '.join(
    (
      os.environ.get('XLA_FLAGS', ''),
      '--xla_backend_optimization_level=0',
      '--xla_cpu_use_fusion_emitters=false',
      '--xla_cpu_parallel_codegen_split_count=1',
    )
  )
  os.environ.update(
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
    JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES='-1',
  )
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(
      prefix='vidpetl-tests-'
    )
  # What `vidpetl check` keeps goes with it.
  os.environ['VIDPETL_CACHE'] = os.environ['JAX_COMPILATION_CACHE_DIR']

import experiments
import pytest
from etils import epath

from launch import combinations
from vidpetl import durable, mistakes
from vidpetl import world as world_lib
from vidpetl.training import compiling
from vidpetl.world import images

# Commands keep programs in a folder below, whose name is a part of what JAX
# knows them by.
compiling.keep(compiling.AUTO, os.environ['VIDPETL_CACHE'])

# A shell starts what is in its background with interruptions ignored, and what
# tests start would ignore them, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
  """Spares the garbage collector what was imported, and most of its calls.

  Tracing makes many small objects and few cycles.
  """
  gc.collect()
  gc.freeze()
  gc.set_threshold(50_000, 20, 50)


def pytest_unconfigure():
  cache = os.environ['JAX_COMPILATION_CACHE_DIR']
  ours = os.path.basename(cache).startswith('vidpetl-tests-')
  if ours and 'PYTEST_XDIST_WORKER' not in os.environ:
    shutil.rmtree(cache, ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch):
  """A disk is waited for some 20 ms a file; no test cuts the power."""
  monkeypatch.setattr(durable, '_fsync', lambda path: None)


@pytest.fixture(autouse=True)
def _nothing_was_told():
  """Notes are told once in a process, which many tests share."""
  mistakes.forget()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
  """Leaves out what runs where it is asked for, and marks slow cases.

  That is what is marked as real, which needs a network, as published, which
  needs memory, and most cases of a `table`. Slow are the cases of a test that
  are behind those of its `tail`.
  """
  _mark_tables(items)
  asked = set(config.option.markexpr.split())
  for mark in {'real', 'published', 'tables'} - asked:
    items[:] = [each for each in items if not each.get_closest_marker(mark)]
  seen = collections.Counter()
  for item in items:
    tail = item.get_closest_marker('tail')
    if tail:
      test = item.path, item.originalname
      seen[test] += 1
      if seen[test] > tail.args[0]:
        item.add_marker('slow')


def _mark_tables(items):
  """Marks the cases of each `table` that it leaves to `--tables`.

  The cases that it keeps are spread over all. Where they begin differs from
  table to table, so that each backbone is in some of them.
  """
  tables = collections.defaultdict(list)
  for item in items:
    if item.get_closest_marker('table'):
      tables[item.path, item.originalname].append(item)
  for (_, name), cases in tables.items():
    (count,) = cases[0].get_closest_marker('table').args
    begin = zlib.crc32(name.encode())
    kept = {
      (begin + i * len(cases) // count) % len(cases) for i in range(count)
    }
    for i, case in enumerate(cases):
      if i not in kept:
        case.add_marker('tables')


@pytest.fixture(scope='session')
def world(tmp_path_factory):
  """dataset -> raw folder; written once, also by parallel workers."""
  out = tmp_path_factory.getbasetemp().parent / 'world'
  with _lock(out.with_suffix('.lock')):
    images.write(str(out / 'images'), size='tiny')
    folders = world_lib.write(out, size='tiny', processes=1)
  return {**folders, 'images': out / 'images'}


@pytest.fixture(scope='session')
def films(tmp_path_factory):
  """The folder of what launch/combinations.py draws; written once."""
  out = tmp_path_factory.getbasetemp().parent / 'combinations'
  with _lock(out.with_suffix('.lock')):
    combinations.draw(epath.Path(out))
  return epath.Path(out)


@contextlib.contextmanager
def _lock(path):
  with open(path, 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


@pytest.fixture
def make_config(world):
  """Returns configs/cofinetune_ava.py:demo, shrunk, with fields replaced."""

  def make(*tasks, **fields):
    config = experiments.shrink(
      experiments.load_config('cofinetune_ava', 'demo'), world, tasks
    )
    config.unlock()
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


@pytest.fixture
def config_file(tmp_path):
  """Returns a function that writes a config where --config finds it."""

  def write(config):
    path = tmp_path / 'experiment.py'
    path.write_text(
      'import json\n'
      'import ml_collections\n\n\n'
      'def get_config():\n'
      f'  text = {config.to_json()!r}\n'
      '  return ml_collections.ConfigDict(json.loads(text)).lock()\n'
    )
    return path

  return write
