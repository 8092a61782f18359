"""Which stream of a file is the film, and how fast it is."""

import numpy as np
import pytest

from launch import films
from vidpetl.data import decode, streams, transcode

_FAST = transcode.Options(crf=12, preset='ultrafast')


@pytest.fixture
def draw(tmp_path):
  def write(container, codec, structure=''):
    return str(films.draw(films.Film(container, codec, structure), tmp_path))

  return write


@pytest.mark.parametrize('structure', ['cover first', 'still first'])
@pytest.mark.parametrize('container', ['mp4', 'mkv'])
def test_a_picture_before_the_film_is_not_the_film(draw, container, structure):
  path = draw(container, 'h264 B', structure)
  for video in (path, transcode.transcode(path, _FAST)):
    info = decode.probe(video)
    assert (info.width, info.height) == (64, 48)
    assert (info.fps, info.codec) == (25, 'h264')
    assert info.duration >= 0.9


def test_a_picture_alone_is_no_film(draw, tmp_path):
  path = tmp_path / 'song.mp4'
  films.ffmpeg(
    '-i {film} -f lavfi -t 1 -i sine=440 -map 0:v:0 -map 1 -c:v copy '
    '-disposition:v:0 attached_pic {path}',
    film=draw('mp4', 'mjpeg', 'cover first'),
    path=path,
  )
  with pytest.raises(decode.DecodeError, match='only a still picture'):
    decode.probe(str(path))


@pytest.mark.parametrize(
  'dispositions, width',
  [('', 64), ('-disposition:v:0 0 -disposition:v:1 default', 32)],
)
def test_the_default_film_or_else_the_largest(
  draw, tmp_path, dispositions, width
):
  path = tmp_path / 'two.mkv'
  dispositions = dispositions or '-disposition:v 0'
  films.ffmpeg(
    '-i {film} -filter_complex "[0:v]split[a][b];[b]scale=32:24[c]" '
    f'-map [a] -map [c] -c:v libx264 {dispositions} {{path}}',
    film=draw('mp4', 'h264'),
    path=path,
  )
  assert decode.probe(str(path)).width == width


@pytest.mark.parametrize(
  'container, codec, structure',
  [
    ('webm', 'vp9', 'no frame rate'),
    ('mkv', 'h264 B', 'no frame rate'),
    ('avi', 'h264', 'ticks of 1/600'),
    ('ts', 'mpeg1 B', ''),
    ('dv', 'dv', ''),
    ('gif', 'gif', ''),
    ('mpg', 'mpeg2 B', 'two in one'),
  ],
)
def test_the_frame_rate_is_that_of_the_timestamps(
  draw, container, codec, structure
):
  path = draw(container, codec, structure)
  info = decode.probe(path)
  assert info.fps == 25
  assert info.frames in (60, 120)
  # Nothing of an intact file is damaged.
  with decode.Video(path) as video:
    ends = np.array([info.duration - 1e-3, info.duration, info.duration + 9])
    assert len(video.read(ends, (48, 64))) == 3


def test_the_rate_of_a_recording_with_jitter(tmp_path, write_video):
  # As browsers write it: no rate in the header, and milliseconds.
  rng = np.random.default_rng(0)
  stamps = np.arange(100) * 1000 / 30 + rng.integers(-6, 7, 100)
  stamps = np.round(stamps - stamps[0]).astype(int)
  path = tmp_path / 'recorder.webm'
  write_video(
    path,
    'libvpx-vp9',
    frames=[films.numbered(i) for i in range(100)],
    fps=1000,
    pts=stamps.tolist(),
  )
  content = path.read_bytes()
  if b'\x23\xe3\x83\x84' in content:
    path.write_bytes(films.without_rate(content))
  info = decode.probe(str(path))
  assert info.fps == pytest.approx(30, rel=0.01)
  assert info.frames == pytest.approx(100, abs=2)
  with decode.Video(str(path)) as video:
    video.read(np.array([video.duration]), (48, 64))


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_a_picture_that_is_held_does_not_slow_the_rate(
  tmp_path, write_video, suffix
):
  pts = [*range(20), *range(400, 420)]
  path = write_video(tmp_path / f'x.{suffix}', frames=40, pts=pts, b_frames=0)
  assert decode.probe(path).fps == pytest.approx(15, rel=0.01)


@pytest.mark.parametrize(
  'container, codec, name',
  [('mp4', 'hevc B', 'hevc'), ('mp4', 'av1', 'av1'), ('webm', 'vp8', 'vp8')],
)
def test_the_codec_is_named(draw, container, codec, name):
  assert decode.probe(draw(container, codec)).codec == name


def test_frames_beyond_the_bound_of_pixels_are_refused(draw, monkeypatch):
  path = draw('mp4', 'h264 B')
  monkeypatch.setattr(streams, '_decoder', {})
  read = lambda: decode.read_frames(path, np.zeros(1), (8, 8))
  assert len(read()) == 1
  streams.bound_pixels(64 * 48 - 1)
  with pytest.raises(decode.DecodeError):
    read()
