import dataclasses
import io
import os

import av
import numpy as np
import pytest
from PIL import Image

from launch import films
from vidpetl.data import decode, frames, transcode

_OPTIONS = transcode.Options(gop=10, preset='ultrafast')
_SAME = lambda height, width: (height, width)


def _frames(video):
  """Returns (times, frames [t, h, w, 3], keyframes' numbers) of all frames."""
  file = io.BytesIO(video) if isinstance(video, bytes) else video
  with av.open(file) as container:
    frames = list(container.decode(video=0))
  images = np.stack([f.to_ndarray(format='rgb24') for f in frames])
  keys = [i for i, frame in enumerate(frames) if frame.key_frame]
  return [float(frame.time) for frame in frames], images, keys


@pytest.fixture(scope='module')
def film(write_video, tmp_path_factory):
  return write_video(tmp_path_factory.mktemp('film') / 'film.mp4', gop=250)


@pytest.mark.parametrize(
  'codec, suffix',
  [('libx264', 'mp4'), ('libvpx-vp9', 'webm'), ('mpeg4', 'avi')],
)
def test_frames_and_times_stay_and_keyframes_come_regularly(
  write_video, read_codes, tmp_path, codec, suffix
):
  path = write_video(tmp_path / f'film.{suffix}', codec, frames=32)
  times, images, keys = _frames(transcode.transcode(path, _OPTIONS))
  assert read_codes(images).tolist() == list(range(32))
  np.testing.assert_allclose(times, np.arange(32) / 15, atol=1e-3)
  assert keys == [0, 10, 20, 30]


@pytest.mark.parametrize('start, end', [(0.0, 1.0), (1.0, 2.0), (1.03, 2.01)])
def test_a_cut_shows_what_the_file_shows(film, read_codes, start, end):
  cut = transcode.transcode(film, _OPTIONS, start, end)
  times = np.arange(0.0, end - start, 0.02)
  shown = read_codes(decode.read_frames(cut, times, _SAME))
  truth = read_codes(decode.read_frames(film, times + start, _SAME))
  np.testing.assert_array_equal(shown, truth)


@pytest.mark.parametrize('fps', [15, 30])
def test_a_cut_of_a_webm_keeps_its_rounded_clock(
  write_video, read_codes, tmp_path, fps
):
  path = write_video(tmp_path / 'x.webm', 'libvpx-vp9', fps=fps)
  times = np.arange(16) * 2 / fps
  cut = transcode.transcode(path, _OPTIONS, 1.0, None)
  shown = read_codes(decode.read_frames(cut, times, _SAME))
  truth = read_codes(decode.read_frames(path, times + 1.0, _SAME))
  np.testing.assert_array_equal(shown, truth)


def test_unequal_frame_durations_stay(write_video, read_codes, tmp_path):
  pts = [0, 1, 2, 9, 10, 20, 21, 22]
  path = write_video(tmp_path / 'x.mp4', frames=8, pts=pts)
  times, images, _ = _frames(transcode.transcode(path, _OPTIONS))
  np.testing.assert_allclose(times, np.array(pts) / 15, atol=1e-4)
  assert read_codes(images).tolist() == list(range(8))


def test_the_rate_stays_where_the_last_frame_is_held(tmp_path):
  path = str(tmp_path / 'a.wmv')
  source = '-f lavfi -i testsrc2=s=64x48:r=25:d=2.4'
  films.ffmpeg(f'{source} -f lavfi -t 3 -i sine=440 -c:v wmv2 {path}')
  with decode.Video(transcode.transcode(path, _OPTIONS)) as video:
    assert video.fps == decode.probe(path).fps == 25


def test_a_long_last_frame_is_no_truncation(tmp_path):
  path = str(tmp_path / 'x.mp4')
  with av.open(path, 'w') as container:
    stream = container.add_stream('libx264', rate=15, options={'bf': '0'})
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    image = np.zeros((48, 64, 3), np.uint8)
    packets = []
    for _ in range(4):
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      packets += stream.encode(frame)
    packets += stream.encode()
    packets[-1].duration = round(3 / packets[-1].time_base)
    container.mux(packets)
  assert decode.probe(path).duration > 2
  assert transcode.transcode(path, _OPTIONS)


def test_short_side(write_video, tmp_path):
  path = write_video(tmp_path / 'x.mp4', size=(96, 64), frames=4)
  sides = {}
  for side in (32, 33, 64, 200, None):
    options = transcode.Options(short_side=side, preset='ultrafast')
    _, images, _ = _frames(transcode.transcode(path, options))
    sides[side] = images.shape[1:3]
  assert sides == {
    32: (32, 48),
    33: (32, 50),  # sides are even
    64: (64, 96),
    200: (64, 96),  # never enlarged
    None: (64, 96),
  }


def test_odd_sizes_become_even(tmp_path):
  path = str(tmp_path / 'odd.mkv')
  ramp = np.linspace(0, 255, 63, dtype=np.uint8)
  image = np.repeat(np.tile(ramp, (47, 1))[..., None], 3, axis=-1)
  with av.open(path, 'w') as container:
    stream = container.add_stream('ffv1', rate=15)
    stream.width, stream.height, stream.pix_fmt = 63, 47, 'yuv444p'
    for _ in range(4):
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  _, images, _ = _frames(transcode.transcode(path, _OPTIONS))
  height, width = images.shape[1:3]
  assert height in (46, 48) and width in (62, 64)
  ends = images[0, height // 2, [0, -1], 0]
  assert ends[0] < 20 and ends[1] > 235  # scaled, not cropped


@pytest.mark.parametrize('rotation', [90, 180, 270])
def test_rotation_is_applied(write_video, tmp_path, rotation):
  image = np.zeros((48, 64, 3), np.uint8)
  image[:24, :32] = 255  # one bright corner
  path = write_video(tmp_path / 'r.mp4', frames=[image] * 4, rotation=rotation)
  upright = decode.read_frames(path, np.zeros(1), _SAME)
  _, images, _ = _frames(transcode.transcode(path, _OPTIONS))
  assert images.shape[1:] == upright.shape[1:]
  assert np.abs(images[0].astype(int) - upright[0]).mean() < 4
  if rotation != 180:
    assert images.shape[1:3] == (64, 48)


@pytest.mark.parametrize('pix_fmt', ['yuv420p', 'yuvj420p', 'yuv444p'])
@pytest.mark.parametrize('matrix', [1, 6])  # BT.709 and BT.601
def test_colours_stay(tmp_path, pix_fmt, matrix):
  path = str(tmp_path / 'c.mkv')
  colours = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [20, 80, 140]]
  )
  image = np.repeat(np.repeat(colours[None], 16, axis=1), 48, axis=0)
  with av.open(path, 'w') as container:
    stream = container.add_stream('libx264', rate=15, options={'crf': '5'})
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = pix_fmt
    stream.codec_context.colorspace = matrix
    for _ in range(4):
      frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  result = transcode.transcode(path, transcode.Options(crf=5))
  before = decode.read_frames(path, np.zeros(1), _SAME)[0, 24, 8::16]
  after = decode.read_frames(result, np.zeros(1), _SAME)[0, 24, 8::16]
  assert np.abs(before.astype(int) - after).max() < 6


def test_the_same_comes_out_every_time(write_video, tmp_path):
  noise = np.random.default_rng(0).integers(0, 256, (40, 96, 96, 3), np.uint8)
  film = write_video(tmp_path / 'noise.mp4', frames=list(noise))
  options = transcode.Options()
  results = {transcode.transcode(film, options, 0.3, 2) for _ in range(5)}
  assert len(results) == 1


@pytest.mark.parametrize(
  'codec, suffix',
  [('libx264', 'mp4'), ('libvpx-vp9', 'webm'), ('mpeg4', 'avi')],
)
def test_a_truncated_file_is_refused(write_video, tmp_path, codec, suffix):
  path = write_video(tmp_path / f'x.{suffix}', codec, frames=60)
  os.truncate(path, os.path.getsize(path) // 2)
  with pytest.raises(decode.DecodeError, match=f'x.{suffix}: .'):
    transcode.transcode(path, _OPTIONS)


def test_a_damaged_end_does_not_spoil_an_earlier_cut(write_video, tmp_path):
  path = write_video(tmp_path / 'x.webm', 'libvpx-vp9', frames=60)
  os.truncate(path, os.path.getsize(path) * 3 // 4)
  assert transcode.transcode(path, _OPTIONS, 0.0, 1.0)
  with pytest.raises(decode.DecodeError, match='truncated'):
    transcode.transcode(path, _OPTIONS, 2.0, 4.0)


@pytest.mark.parametrize('content', [b'', b'no video at all'])
def test_what_is_no_video_is_refused(tmp_path, content):
  path = tmp_path / 'x.mp4'
  path.write_bytes(content)
  with pytest.raises(decode.DecodeError, match=r'x\.mp4'):
    transcode.transcode(str(path), _OPTIONS)
  with pytest.raises(decode.DecodeError, match='missing'):
    transcode.transcode(str(tmp_path / 'missing.mp4'), _OPTIONS)


@pytest.mark.parametrize('copy', [False, True])
def test_one_frame_is_a_video(write_video, tmp_path, copy):
  path = write_video(tmp_path / 'x.mp4', frames=1)
  options = dataclasses.replace(_OPTIONS, copy=copy)
  _, images, _ = _frames(transcode.transcode(path, options))
  assert len(images) == 1


def test_a_cut_behind_the_end_is_refused(film):
  with pytest.raises(decode.DecodeError):
    transcode.transcode(film, _OPTIONS, 100.0, 102.0)


def test_copy_leaves_bytes_alone_where_nothing_is_to_do(film):
  options = transcode.Options(short_side=64, copy=True)
  with open(film, 'rb') as file:
    assert transcode.transcode(film, options) == file.read()
  smaller = transcode.Options(short_side=32, copy=True)
  _, images, _ = _frames(transcode.transcode(film, smaller))
  assert images.shape[1] == 32


def test_copy_still_finds_truncated_files(write_video, tmp_path):
  path = write_video(tmp_path / 'x.webm', 'libvpx-vp9', frames=60)
  os.truncate(path, os.path.getsize(path) // 2)
  with pytest.raises(decode.DecodeError, match='truncated'):
    transcode.transcode(path, transcode.Options(copy=True))


@pytest.mark.parametrize(
  'field, value', [('short_side', 1), ('gop', 0), ('crf', 60)]
)
def test_bad_options_are_named(field, value):
  with pytest.raises(ValueError, match=f'{field}={value}'):
    transcode.Options(**{field: value})


def _write_folder(folder, suffix, size=(64, 48), frames=40):
  """Writes frames whose colour says their number, and returns the folder."""
  folder.mkdir()
  for i in range(frames):
    picture = Image.new('RGB', size, (6 * i, 255 - 6 * i, 40))
    picture.save(folder / f'{489 + i:05d}{suffix}')
  return str(folder)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('fps', [None, 29.97])
@pytest.mark.parametrize('start, end', [(0.0, None), (0.4, 1.0), (0.41, 0.99)])
def test_a_folder_of_frames_becomes_the_video_of_them(
  tmp_path, suffix, fps, start, end
):
  folder = _write_folder(tmp_path / 'frames', suffix)
  encoded = transcode.transcode(folder, _OPTIONS, start, end, fps)
  with (
    frames.open_video(folder, fps=fps) as truth,
    frames.open_video(encoded) as video,
  ):
    if start == 0:  # of a cut, the first frame may be shown for less
      assert video.fps == pytest.approx(truth.fps, rel=1e-3)
    until = truth.duration if end is None else end
    times = np.arange(start, until - 1e-3, 0.013)
    np.testing.assert_allclose(
      video.read(times - start, _SAME).mean(axis=(1, 2)),
      truth.read(times, _SAME).mean(axis=(1, 2)),
      atol=5,
    )
    assert video.duration == pytest.approx(until - start, abs=2 / truth.fps)


def test_a_folder_is_shrunk_and_never_copied(tmp_path):
  folder = _write_folder(tmp_path / 'frames', '.jpg')
  options = transcode.Options(short_side=24, copy=True)
  _, images, _ = _frames(transcode.transcode(folder, options))
  assert images.shape == (40, 24, 32, 3)
  options = transcode.Options(short_side=64, copy=True)
  _, images, _ = _frames(transcode.transcode(folder, options))
  assert images.shape == (40, 48, 64, 3)


def test_a_folder_with_a_damaged_frame_is_refused(tmp_path):
  folder = _write_folder(tmp_path / 'frames', '.jpg')
  (tmp_path / 'frames/00500.jpg').write_bytes(b'no picture')
  with pytest.raises(decode.DecodeError, match=r'00500\.jpg'):
    transcode.transcode(folder, _OPTIONS)
  with pytest.raises(decode.DecodeError, match='no frame from 100'):
    transcode.transcode(folder, _OPTIONS, 100.0, 102.0)
