"""Processes decode what threads do, end with who asked, and are named dead."""

import gc
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import (
  clips,
  decode,
  decoding_processes,
  examples,
  pipeline,
  quarantine,
  shared,
)
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import quality

INFO = examples.Info('own', 'train', 'quality', 0, {})
SPEC = clips.ClipSpec.of(
  {
    **{'frames': 4, 'resolution': 32, 'sampling': 'spread'},
    **{'exemplar': 'any', 'resize': 'crop', 'train': True},
  },
  'quality',
)


def scored(paths):
  n = len(paths)
  ids = Strings(f'v{i}' for i in range(n))
  return quality.Performances(INFO, ids, paths.__getitem__, np.arange(n))


@pytest.fixture(scope='module')
def paths(tmp_path_factory, write_video):
  folder = tmp_path_factory.mktemp('videos')
  cut = folder / 'cut.mp4'
  cut.write_bytes(b'cut')
  whole = [write_video(folder / f'{k}.mp4', frames=20 + k) for k in range(5)]
  return [*whole, str(cut)]


def batches(source, listed=None, **options):
  return list(
    pipeline.train_batches(
      source, SPEC, name='x', batch_size=4, seed=0, stop=6, quarantine=listed,
      **options,
    )
  )  # fmt: skip


def members():
  return decoding_processes.crew(2)._members


def test_batches_and_what_cannot_be_decoded_are_those_of_threads(paths):
  listed = [quarantine.Quarantine() for _ in range(2)]
  threads = batches(scored(paths), listed[0], workers=2)
  # What the first ones leave in memory, the next ones write over.
  batches(scored(paths[:-1]), processes=2)
  others = batches(scored(paths), listed[1], processes=2)
  for one, other in zip(threads, others, strict=True):
    for key in one:
      np.testing.assert_array_equal(one[key], other[key], err_msg=key)
  assert listed[0].rows() == listed[1].rows()
  assert len(listed[1]) == 1
  assert all(member._process is not None for member in members())


def test_pixels_stay_where_they_were_decoded_to(paths):
  made = batches(scored(paths[:-1]), processes=2)
  with open('/proc/self/maps') as file:
    mapped = [x.split()[0].split('-') for x in file if 'memfd:vidpetl' in x]
  ranges = [(int(begin, 16), int(end, 16)) for begin, end in mapped]
  for batch in made:
    address = batch['video'].__array_interface__['data'][0]
    assert any(begin <= address < end for begin, end in ranges)
    label = batch['score'].__array_interface__['data'][0]
    assert not any(begin <= label < end for begin, end in ranges)


def test_memory_is_taken_again_once_no_array_shows_it():
  memory = shared.Memory()
  first, piece = memory.take(10)
  second, other = memory.take(10)
  assert first != second
  row = piece[3:5].view(np.int8)
  del piece
  gc.collect()
  assert memory.take(10)[0] not in (first, second)
  del row
  gc.collect()
  assert memory.take(10)[0] == first
  view = shared.View(memory.file)
  other[:3] = 1, 2, 3
  assert view.at(second, 3).tolist() == [1, 2, 3]


def test_errors_surface_as_themselves(paths):
  with pytest.raises(decode.DecodeError, match=r'cut\.mp4') as caught:
    batches(scored(paths), processes=2)
  assert mistakes.is_mistake(caught.value)


def test_a_killed_process_is_named_and_the_next_one_takes_its_place(paths):
  batches(scored(paths[:-1]), processes=2)
  process = members()[0]._process
  process.kill()
  said = rf'Process {process.pid}, which decoded .*\.mp4, was ended by SIGKILL'
  with pytest.raises(decoding_processes.EndedError, match=said):
    batches(scored(paths[:-1]), processes=2)
  assert len(batches(scored(paths[:-1]), processes=2)) == 6


_ASKS = """
import os, signal, sys, time
from vidpetl.data import decoding_processes as d
member, = d.crew(1)._members
member._start()
print(member._process.pid, flush=True)
if sys.argv[1] == 'SIGKILL':
  os.kill(os.getpid(), signal.SIGKILL)
os.killpg(0, signal.SIGINT)
time.sleep(60)
"""


@pytest.mark.parametrize('how', ['SIGINT', 'SIGKILL'])
def test_processes_end_with_the_one_that_asks(how):
  done = subprocess.run(
    [sys.executable, '-c', _ASKS, how],
    **{'capture_output': True, 'text': True, 'start_new_session': True},
    timeout=60,
  )
  assert done.returncode == -getattr(signal, how)
  number, waited = int(done.stdout), 0.0
  while os.path.exists(f'/proc/{number}') and waited < 20:
    time.sleep(0.1)
    waited += 0.1
  assert not os.path.exists(f'/proc/{number}')
