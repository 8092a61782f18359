import shutil

import drawn
import pytest
from PIL import Image

from vidpetl.data import decode
from vidpetl.data.survey import record


def test_a_file_is_what_training_sees(tmp_path):
  path = drawn.clip(tmp_path / 'a.mp4', frames=30, fps=15, gop=10)
  found = record.read(path)
  with decode.Video(path) as video:
    assert (found.duration, found.fps) == (video.duration, video.fps)
  assert (found.width, found.height, found.frames) == (48, 32, 30)
  assert (found.container, found.codec) == ('mp4', 'mpeg4')
  assert (found.gop, found.longest_gop) == (10, 10)
  assert found.size == (tmp_path / 'a.mp4').stat().st_size
  assert not found.fault and found.readable and not found.variable


def test_the_longest_gop_is_not_the_usual_one(tmp_path):
  path = drawn.clip(tmp_path / 'a.mp4', frames=34, gop=12)
  assert (record.read(path).gop, record.read(path).longest_gop) == (12, 12)
  assert record._gops([1, 0, 1, 0, 1, 0, 0, 0, 0]) == (2, 5)
  assert record._gops([1]) == (1, 1) and record._gops([]) == (0, 0)


def test_content_is_that_of_the_pictures_in_whatever_container(tmp_path):
  path = drawn.clip(tmp_path / 'a.mp4', 1)
  same = record.read(drawn.remuxed(path, tmp_path / 'b.mkv'))
  other = record.read(drawn.clip(tmp_path / 'c.mp4', 2))
  assert same.container == 'matroska'
  assert record.read(path).content == same.content != other.content


@pytest.mark.parametrize(
  'data, fault',
  [(b'', record.EMPTY), (b'<!DOCTYPE html>' * 99, record.UNREADABLE)],
)
def test_what_is_no_video_is_named(tmp_path, data, fault):
  (tmp_path / 'a.mp4').write_bytes(data)
  found = record.read(str(tmp_path / 'a.mp4'))
  assert found.fault == fault and found.reason and not found.readable
  # FFmpeg's number and the path help nobody.
  assert 'Errno' not in found.reason and 'a.mp4' not in found.reason


def test_a_missing_file_is_named(tmp_path):
  found = record.read(str(tmp_path / 'a.mp4'))
  assert (found.fault, found.readable) == (record.MISSING, False)


def test_a_file_whose_end_is_missing_is_truncated(tmp_path):
  whole = drawn.clip(
    tmp_path / 'a.mp4', frames=60, codec='libx264', movflags='faststart'
  )
  assert not record.read(whole).fault
  found = record.read(drawn.cut_off(whole, tmp_path / 'b.mp4'))
  assert (found.fault, found.readable) == (record.TRUNCATED, True)
  assert '5.00 s' in found.reason


def test_times_that_jump_are_no_missing_end(tmp_path, monkeypatch):
  path = drawn.clip(tmp_path / 'a.mp4')
  packets = record._packets
  monkeypatch.setattr(
    record, '_packets', lambda *some: packets(*some) | {'reached': 0.1}
  )
  assert not record.read(path).fault


def test_a_variable_rate_is_told(tmp_path):
  constant = [40 * i for i in range(50)]
  assert not record._is_variable(constant)
  # Rounded to milliseconds, or with one pause.
  assert not record._is_variable([33, 67, 100, 133, 167, 200])
  assert not record._is_variable([*constant, 9000])
  jumping = [40 * i + (100 if i % 3 else 0) for i in range(50)]
  assert record._is_variable(jumping)


def test_a_folder_of_frames_is_a_file(tmp_path):
  folder = tmp_path / 'frames'
  folder.mkdir()
  for i in range(5):
    path = drawn.clip(tmp_path / 'one.mp4', i, frames=1)
    with decode.Video(path) as video:
      image = video.read([0.0], (32, 48))[0]
    Image.fromarray(image).save(folder / f'img_{i:05}.png')
  found = record.read(str(folder))
  assert (found.container, found.codec, found.frames) == ('frames', 'png', 5)
  assert (found.width, found.height) == (48, 32)
  shutil.copytree(folder, tmp_path / 'copy')
  assert record.read(str(tmp_path / 'copy')).content == found.content
  (folder / 'img_00004.png').unlink()
  assert record.read(str(folder)).content != found.content
