"""TensorBoard has each point once, however often a run was killed."""

import collections
import math

import numpy as np
from etils import epath
from tensorboard.backend.event_processing import event_accumulator

from vidpetl.training import writers


def session(workdir, resumed_at, steps, evaluated=()):
  """Writes what a run writes between two of its deaths."""
  writer = writers.create(
    epath.Path(workdir), ('tensorboard',), resumed_at=resumed_at
  )
  if resumed_at < math.inf:
    at = int(resumed_at)
    writer.write_texts(at, dict.fromkeys(writers.AT_START, f'from {at}'))
    writer.write_hparams({'rate': at})
  for step in steps:
    writer.write_scalars(step, {'loss': 1 / step})
  for step in evaluated:
    picture = np.full((4, 4, 3), step, np.uint8)
    writer.write_scalars(step, {'k/top1': 0.5})
    writer.write_texts(step, {'k': f'table of {step}'})
    writer.write_images(step, writers.as_images({'k/clip': picture}))
    writer.write_scalars(step, writers.as_reported({'k/top1': 0.5}))
  writer.close()


def points(folder):
  """Returns how often each (tag, step) is in a folder's events."""
  events = event_accumulator.EventAccumulator(
    str(folder), {event_accumulator.TENSORS: 0}
  ).Reload()
  return collections.Counter(
    (tag, event.step)
    for tag in events.Tags()['tensors']
    for event in events.Tensors(tag)
  )


def test_each_point_is_there_once_after_any_number_of_deaths(tmp_path):
  session(tmp_path, 0, range(1, 8), [4])
  _tear(tmp_path)
  session(tmp_path, 4, range(5, 10), [4, 8])  # The evaluation was not kept.
  session(tmp_path, 8, range(9, 12), [])
  session(tmp_path, 8, range(9, 13), [12])
  session(tmp_path, 12, [], [12])  # It died before its results were written.
  session(tmp_path, math.inf, [], [8, 12])  # Two are evaluated once more.
  found = points(tmp_path)
  assert set(found.values()) == {1}
  evaluated = {
    (tag, s) for tag in ('k/top1', 'k', 'k/clip') for s in (4, 8, 12)
  }
  starts = {(tag, s) for tag in writers.AT_START for s in (0, 4, 8, 12)}
  losses = {('loss', s) for s in range(1, 13)}
  assert set(found) == losses | evaluated | starts
  reported = points(tmp_path / 'reported')
  assert set(reported.values()) == {1}
  assert {s for tag, s in reported if tag == 'k/top1'} == {4, 8, 12}
  # Of what a run says at its start, the latest holds.
  texts = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
  (text,) = [e for e in texts.Tensors('config') if e.step == 8]
  assert text.tensor_proto.string_val[0] == b'from 8'


def _tear(folder):
  """Cuts the last record of the newest file, as a killed writer may."""
  path = max(folder.glob('events.out.tfevents.*'), key=lambda p: p.name)
  path.write_bytes(path.read_bytes()[:-7])
