"""Clips of one file in a batch are loaded together, as they are alone."""

import numpy as np
import pytest

from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  examples,
  index,
  pipeline,
  quarantine,
  streams,
)
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import classification

INFO = examples.Info('own', 'val', 'classification', 2, {0: 'a', 1: 'b'})


def source(paths, starts):
  n = len(starts)
  return classification.Classification(
    INFO,
    Strings([f'{i}' for i in range(n)]),
    [0] * n,
    lambda i: paths[i % len(paths)],
    starts,
    [start + 1.0 for start in starts],
  )


def spec(**options):
  given = {'frames': 5, 'resolution': 64, 'train': False, **options}
  return clip_spec.ClipSpec.of(given, 'classification')


def batches(of, cut, workers=1, **options):
  return list(
    pipeline.eval_batches(of, cut, batch_size=8, workers=workers, **options)
  )


@pytest.mark.parametrize('workers', [1, 8])
def test_a_batch_is_what_its_clips_are_alone(tmp_path, write_video, workers):
  paths = [write_video(tmp_path / f'{k}.mp4', frames=90, gop=60) for k in 'ab']
  of, cut = source(paths, [0.0, 0.0, 0.5, 4.5, 1.0, 1.0, 0.2]), spec()
  (found,) = batches(of, cut, workers)
  for i in range(len(of)):
    alone = clips.load(of, i, cut, index.example_seed(0, INFO.name, i))
    for key, array in alone.items():
      np.testing.assert_array_equal(found[key][i], array, err_msg=key)
  assert found['index'].tolist() == [*range(7), -1]


def test_a_file_is_opened_once_and_no_picture_decoded_twice(
  tmp_path, write_video, monkeypatch
):
  film = write_video(tmp_path / 'a.mp4', frames=90, gop=90)
  opened, decoded = [], []
  packets = streams.Stream.packets

  def counting(stream, sound=False):
    for packet in packets(stream, sound):
      decoded.append(packet.pts)
      yield packet

  init = streams.Stream.__init__
  monkeypatch.setattr(
    streams.Stream,
    '__init__',
    lambda self, video: opened.append(video) or init(self, video),
  )
  monkeypatch.setattr(streams.Stream, 'packets', counting)
  batches(source([film], [0.5 * k for k in range(8)]), spec())
  assert opened == [film]
  stamps = [stamp for stamp in decoded if stamp is not None]
  assert len(stamps) == len(set(stamps)) > 60


def test_a_damaged_clip_takes_none_of_its_file_along(
  tmp_path, write_video, monkeypatch
):
  film = write_video(tmp_path / 'a.mp4', frames=90, gop=15)
  of, left = source([film], [0.0, 2.0, 4.0]), quarantine.Quarantine(0.9)

  def pictures(video, times, read=decode.Video.pictures):
    if times.min() < 3 and times.max() > 2:
      raise decode.DecodeError(video.name, 'is damaged')
    yield from read(video, times)

  monkeypatch.setattr(decode.Video, 'pictures', pictures)
  (found,) = batches(of, spec(), quarantine=left)
  assert found['valid'].tolist() == [True, False, True] + [False] * 5
  assert len(left) == 1
