"""Pictures that nobody looks at are left out, and no other one."""

import numpy as np
import pytest

from vidpetl.data import damage, decode

FPS = 15


@pytest.fixture
def decoded(monkeypatch):
  """Returns a list that gets the timestamp of each picture that is decoded."""
  stamps, settled = [], damage.Judge._settled

  def counting(judge, frame):
    stamps.append(frame.pts)
    return settled(judge, frame)

  monkeypatch.setattr(damage.Judge, '_settled', counting)
  return stamps


def at(times, film):
  return decode.read_frames(film, np.asarray(times), (48, 64))


def test_fewer_are_decoded_and_the_same_are_shown(
  tmp_path, write_video, read_codes, decoded
):
  film = write_video(tmp_path / 'a.mp4', frames=60, gop=60, b_frames=2)
  found = read_codes(at((np.arange(30, 50, 4) + 0.5) / FPS, film))
  assert found.tolist() == list(range(30, 50, 4))
  # Of 60 pictures 47 come before the last that is wanted.
  assert len(decoded) < 40


@pytest.mark.parametrize('held', [28, 29, 30])
def test_a_picture_that_is_held_for_long_is_not_left_out(
  tmp_path, write_video, read_codes, held
):
  # Matroska stores no durations: each seems to be shown for 1 / 15 s.
  pts = [i + 40 * (i > held) for i in range(60)]
  film = write_video(tmp_path / 'a.mkv', frames=60, gop=60, b_frames=2, pts=pts)
  times = np.array([1.0, 3.0, 6.0]) + 0.01
  expected = [15, held, 90 - 40]
  assert read_codes(at(times, film)).tolist() == expected


def test_times_behind_the_end_show_the_last_picture(
  tmp_path, write_video, read_codes
):
  film = write_video(tmp_path / 'a.mp4', frames=30, gop=30, b_frames=2)
  assert read_codes(at([1.0, 9.0], film)).tolist() == [15, 29]


def test_a_film_is_read_whole_after_some_of_it_was_left_out(
  tmp_path, write_video
):
  film = write_video(tmp_path / 'a.mp4', frames=60, gop=60, b_frames=2)
  with decode.Video(film) as video:
    next(video.pictures(np.array([2.0])))
    assert len(list(video.frames_from(0.0))) == 60
