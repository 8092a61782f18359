"""Frames by time: the right ones, whatever the container."""

import fractions

import av
import numpy as np
import pytest

from vidpetl.data import decode, picture

# name -> what `write_video` makes it with.
FILES = {
  'short_gop.mp4': {},
  'one_gop.mp4': {'gop': 250},
  'late.mp4': {'pts': range(30, 90)},
  'late.mkv': {'pts': range(30, 90)},
  'late.ts': {'pts': range(30, 90)},
  'vp9.webm': {'codec': 'libvpx-vp9'},
  'mpeg4.avi': {'codec': 'mpeg4'},
  'reordered.avi': {'codec': 'mpeg4', 'b_frames': 2},
  'h264.avi': {'codec': 'libx264', 'b_frames': 2},
  'uneven.mp4': {'pts': np.arange(60) + 7 * (np.arange(60) // 10)},
}
FULL = lambda height, width: (height, width)


@pytest.fixture(scope='module')
def files(tmp_path_factory, write_video):
  folder = tmp_path_factory.mktemp('videos')
  return {
    name: write_video(folder / name, **options)
    for name, options in FILES.items()
  }


def moments(name, numbers):
  """Returns when numbered frames begin, in seconds after the first."""
  pts = np.asarray(FILES[name].get('pts', range(60)))
  return (pts[numbers] - pts[0]) / 15


@pytest.mark.parametrize('name', FILES)
def test_every_frame_is_found_by_its_own_time(files, read_codes, name):
  for number in range(60):
    frame = decode.read_frames(files[name], moments(name, [number]), FULL)
    assert read_codes(frame).tolist() == [number]


@pytest.mark.parametrize('name', FILES)
def test_seeking_returns_what_decoding_from_the_start_does(files, name):
  with av.open(files[name]) as container:
    sequential = np.stack(
      [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    )
  numbers = np.array([31, 58, 33, 33, 40])
  frames = decode.read_frames(files[name], moments(name, numbers), FULL)
  np.testing.assert_array_equal(frames, sequential[numbers])


def test_a_frame_is_shown_until_the_next_one(files, read_codes):
  times = [-5, 0, 0.05, 0.0666, 1 / 15, 0.13, 2 / 15 - 1e-6, 59 / 15, 4.2, 99]
  frames = decode.read_frames(files['short_gop.mp4'], np.array(times), FULL)
  assert read_codes(frames).tolist() == [0, 0, 0, 0, 1, 1, 2, 59, 59, 59]


def test_times_that_webm_rounds_to_milliseconds(files, read_codes):
  # Frame 2 is at 133.33 ms, stored as 133; frame 1 at 66.67, stored as 67.
  times = np.array([1 / 15, 2 / 15, 0.066])
  frames = decode.read_frames(files['vp9.webm'], times, FULL)
  assert read_codes(frames).tolist() == [1, 2, 0]


def test_uneven_frame_rate_goes_by_time(files, read_codes):
  # Frame 9 is at 9 / 15 s, frame 10 only at 17 / 15 s.
  times = np.array([9, 12, 16.9, 17]) / 15
  frames = decode.read_frames(files['uneven.mp4'], times, FULL)
  assert read_codes(frames).tolist() == [9, 9, 9, 10]


def test_bytes_read_like_the_file(files):
  with open(files['vp9.webm'], 'rb') as file:
    video = file.read()
  times = np.array([2.1, 3.3])
  np.testing.assert_array_equal(
    decode.read_frames(video, times, (24, 32)),
    decode.read_frames(files['vp9.webm'], times, (24, 32)),
  )


@pytest.mark.parametrize('name', FILES)
def test_probe(files, name):
  info = decode.probe(files[name])
  expected = moments(name, [59])[0] + 1 / 15
  assert info.duration == pytest.approx(expected, abs=0.07)
  assert (info.width, info.height) == (64, 48)
  if name != 'uneven.mp4':
    assert info.fps == 15
    assert info.frames == 60


def test_a_stream_without_duration_is_measured(tmp_path, write_video):
  path = write_video(tmp_path / 'live.webm', 'libvpx-vp9', live='1')
  with av.open(path) as container:
    assert container.duration is None
  assert decode.probe(path).duration == pytest.approx(4.0, abs=0.07)
  assert len(decode.read_frames(path, np.array([3.9]), FULL)) == 1


@pytest.mark.parametrize('field', ['key_frame', 'pts'])
def test_a_seek_that_lands_badly_is_not_believed(
  files, read_codes, monkeypatch, field
):
  class Landed:
    key_frame = field != 'key_frame'
    pts = 0 if field == 'key_frame' else 10**9

  monkeypatch.setattr(
    decode.Video, '_decoded_after_seek', lambda *unused: iter([Landed()])
  )
  times = np.array([30, 40]) / 15
  frames = decode.read_frames(files['short_gop.mp4'], times, FULL)
  assert read_codes(frames).tolist() == [30, 40]


def test_only_returned_frames_are_converted_and_each_once(files, monkeypatch):
  converted = []
  convert = picture.Picture.rgb
  monkeypatch.setattr(
    picture.Picture,
    'rgb',
    lambda *args: converted.append(1) or convert(*args),
  )
  times = np.array([50, 20, 20, 20.5, 30]) / 15
  decode.read_frames(files['one_gop.mp4'], times, FULL)
  assert len(converted) == 3


@pytest.mark.parametrize('first', [24, 27, 35])
def test_decodes_from_the_keyframe_before_to_the_last_time(
  files, monkeypatch, first
):
  seen = []
  time = decode.Video.time_of
  monkeypatch.setattr(
    decode.Video,
    'time_of',
    lambda self, frame: (
      seen.append(round(time(self, frame) * 15)) or time(self, frame)
    ),
  )
  decode.read_frames(files['short_gop.mp4'], np.array([first, 35]) / 15, FULL)
  # The frame after the last one shows where that one ends.
  assert (min(seen), max(seen)) == (24, 36)


def test_what_lies_between_far_times_is_not_decoded(
  tmp_path, write_video, read_codes, monkeypatch
):
  film = write_video(tmp_path / 'a.mp4', frames=120, gop=10)
  packets, times = [], np.array([112, 3, 64]) / 15
  read = decode.streams.Stream.packets
  monkeypatch.setattr(
    decode.streams.Stream,
    'packets',
    lambda stream: (packets.append(p.pts) or p for p in read(stream)),
  )
  frames = decode.read_frames(film, times, FULL)
  assert read_codes(frames).tolist() == [112, 3, 64]
  assert len(packets) == len(set(packets)) < 40


@pytest.mark.parametrize('degrees', [90, 180, -90])
def test_rotated_videos_come_upright(tmp_path, write_video, degrees):
  image = np.zeros((48, 64, 3), np.uint8)
  image[:, :32] = 255
  path = write_video(tmp_path / 'r.mp4', frames=[image] * 5, rotation=degrees)
  frames = decode.read_frames(path, np.zeros(1), FULL)
  # The file says by how much to turn, counter-clockwise.
  upright = np.rot90(image, degrees // 90)
  assert frames[0].shape == upright.shape
  assert np.abs(frames[0].astype(int) - upright).mean() < 8
  info = decode.probe(path)
  assert (info.height, info.width) == upright.shape[:2]


def test_shrinking_does_not_alias(tmp_path, write_video):
  checks = (np.indices((48, 64)).sum(0) % 2 * 255).astype(np.uint8)
  image = np.repeat(checks[..., None], 3, axis=-1)
  path = write_video(tmp_path / 'c.mp4', frames=[image] * 3)
  small = decode.read_frames(path, np.zeros(1), (15, 20))
  assert small.shape == (1, 15, 20, 3)
  inner = small[:, 2:-2, 2:-2]
  assert inner.min() > 90 and inner.max() < 165


@pytest.mark.parametrize('name', ['vp9.webm', 'late.mkv', 'mpeg4.avi'])
def test_a_truncated_file_is_an_error(tmp_path, files, name):
  with open(files[name], 'rb') as file:
    video = file.read()
  path = tmp_path / name
  path.write_bytes(video[: int(0.6 * len(video))])
  with pytest.raises(decode.DecodeError) as error:
    decode.read_frames(str(path), moments(name, [55]), FULL)
  assert error.value.name == str(path)


def test_a_truncated_webm_reads_up_to_its_end(tmp_path, files, read_codes):
  with open(files['vp9.webm'], 'rb') as file:
    video = file.read()
  frames = decode.read_frames(video[: len(video) // 2], np.ones(1), FULL)
  assert read_codes(frames).tolist() == [15]
  with pytest.raises(decode.DecodeError, match='truncated'):
    decode.read_frames(video[: len(video) // 2], np.full(1, 3.5), FULL)


@pytest.mark.parametrize('content', [b'', b'no video\n' * 99, None])
def test_what_is_no_video_is_an_error_that_names_it(tmp_path, content):
  path = tmp_path / 'clip.mp4'
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(decode.DecodeError, match=r'clip\.mp4'):
    decode.probe(str(path))


@pytest.mark.parametrize(
  'content, reason',
  [
    (b'', 'is empty'),
    (bytes(5000), 'begins with zeros'),
    (b'version https://git-lfs.github.com/spec/v1\noid', 'git lfs pull'),
    (b'\xef\xbb\xbf\n<!DOCTYPE html><html>', 'of a web server'),
    (b'{"error": "quota exceeded"}', 'of a web server'),
  ],
)
def test_what_often_stands_for_a_video_is_named(tmp_path, content, reason):
  path = tmp_path / 'clip.mp4'
  path.write_bytes(content)
  for video in (str(path), content):
    with pytest.raises(decode.DecodeError, match=rf'clip\.mp4: .*{reason}'):
      decode.probe(video, 'clip.mp4')


def test_a_recording_that_was_not_finished_is_named(tmp_path, files):
  with open(files['short_gop.mp4'], 'rb') as file:
    content = file.read()
  unfinished = content[: content.index(b'moov') - 4]
  with pytest.raises(decode.DecodeError, match='was not finished'):
    decode.probe(unfinished, 'clip.mp4')


def test_random_damage_raises_nothing_else(files):
  rng = np.random.default_rng(0)
  failures = 0
  for name in ('short_gop.mp4', 'vp9.webm', 'mpeg4.avi'):
    with open(files[name], 'rb') as file:
      video = np.frombuffer(file.read(), np.uint8)
    for _ in range(15):
      damaged = video.copy()
      places = rng.integers(0, len(video), 40)
      damaged[places] = rng.integers(0, 256, 40)
      try:
        decode.read_frames(damaged.tobytes(), np.array([1.0, 3.9]), (24, 32))
      except decode.DecodeError:
        failures += 1
  assert failures


@pytest.mark.parametrize('name, codec', [('a.mp4', 'aac'), ('a.webm', 'opus')])
def test_sound_may_outlast_the_pictures(tmp_path, read_codes, name, codec):
  path = str(tmp_path / name)
  with av.open(path, 'w') as container:
    video = container.add_stream(
      'libx264' if name == 'a.mp4' else 'libvpx-vp9', rate=15
    )
    video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
    sound = container.add_stream(codec, rate=48000)
    for number in range(15):
      image = np.full((48, 64, 3), 255 * (number & 1), np.uint8)
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      frame.pts, frame.time_base = number, fractions.Fraction(1, 15)
      container.mux(video.encode(frame))
    container.mux(video.encode())
    for part in range(60):
      silence = av.AudioFrame.from_ndarray(
        np.zeros((1, 2 * 3200), np.int16), format='s16', layout='stereo'
      )
      silence.sample_rate, silence.pts = 48000, 3200 * part
      container.mux(sound.encode(silence))
    container.mux(sound.encode())
  frames = decode.read_frames(path, np.array([0.95, 3.0]), FULL)
  np.testing.assert_array_equal(frames[0], frames[1])


def test_no_times_is_an_error(files):
  with pytest.raises(ValueError, match='no times'):
    decode.read_frames(files['short_gop.mp4'], np.zeros(0), FULL)


def test_an_error_of_the_caller_is_not_blamed_on_the_video(files):
  with pytest.raises(ZeroDivisionError):
    decode.read_frames(
      files['short_gop.mp4'], np.zeros(1), lambda h, w: (h // 0, w)
    )
