import contextlib
import fractions
import io
import os

import av
import numpy as np
import pytest
from PIL import Image

from vidpetl import mistakes
from vidpetl.data import decode, frames, transcode

# Encoder, container and options, of films whose frames refer to others in ways
# in which decoders may mark what is whole: open groups, of which a seek lands
# in the middle; pictures without keyframes; others in no order.
_OPEN = 'open-gop=1:keyint=6:min-keyint=6:scenecut=0:bframes=2'
WHOLE = {
  'h264 open': ('libx264', 'mp4', {'x264-params': _OPEN}),
  'h264 open ts': ('libx264', 'mpegts', {'x264-params': _OPEN}),
  'h264 refresh': ('libx264', 'mp4', {'x264-params': 'intra-refresh=1'}),
  'h264 avi': ('libx264', 'avi', {'g': '6'}),
  'hevc open': ('libx265', 'mp4', {'x265-params': f'{_OPEN}:log-level=none'}),
  'hevc open ts': (
    'libx265',
    'mpegts',
    {'x265-params': f'{_OPEN}:log-level=none'},
  ),
  'vp9': ('libvpx-vp9', 'webm', {'g': '6', 'deadline': 'realtime'}),
  'av1': ('libsvtav1', 'mp4', {'g': '6', 'preset': '12'}),
  'mpeg4': ('mpeg4', 'mp4', {'g': '6', 'bf': '2'}),
  'mpeg2': ('mpeg2video', 'mpegts', {'g': '6', 'bf': '2'}),
  'mjpeg': ('mjpeg', 'avi', {}),
  'png': ('png', 'mov', {}),
}
COUNT, FPS = 24, 12


def drawn(count=COUNT):
  """Yields frames [48, 64, 3] of a pattern that moves."""
  rough = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
  pattern = np.kron(rough, np.ones((4, 4, 1), np.uint8))
  for k in range(count):
    yield np.roll(pattern, 2 * k, axis=1)


@contextlib.contextmanager
def scheduled_as_before():
  """SVT-AV1 gives root's thread, and what it starts, real-time priority.

  Two processes that wait for each other, spinning, then leave no time for
  any other thread.
  """
  if not hasattr(os, 'sched_getscheduler'):  # Not on macOS.
    yield
    return
  policy, given = os.sched_getscheduler(0), os.sched_getparam(0)
  try:
    yield
  finally:
    os.sched_setscheduler(0, policy, given)


@scheduled_as_before()
def film(codec, container, options):
  """Returns the bytes of a film."""
  out = io.BytesIO()
  pixels = {'mjpeg': 'yuvj420p', 'png': 'rgb24'}.get(codec, 'yuv420p')
  with av.open(out, 'w', format=container) as file:
    stream = file.add_stream(codec, rate=FPS, options=options)
    stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
    stream.codec_context.time_base = fractions.Fraction(1, FPS)
    for frame in drawn():
      new = av.VideoFrame.from_ndarray(frame).reformat(format=pixels)
      file.mux(stream.encode(new))
    file.mux(stream.encode())
  return out.getvalue()


def places(content):
  """Returns (position, size) of each packet."""
  with av.open(io.BytesIO(content)) as file:
    return [(p.pos, p.size) for p in file.demux(video=0) if p.size]


def damaged(content, number, begin=None):
  """Returns a film in which a packet is overwritten from a byte on."""
  place, size = places(content)[number]
  begin = place + (size // 2 if begin is None else begin)
  noise = np.random.default_rng(1).bytes(place + size - begin)
  return content[:begin] + noise + content[place + size :]


@pytest.fixture(scope='module')
def h264():
  """Returns a film with a keyframe every half second, P-frames between."""
  return film('libx264', 'mp4', {'g': '6', 'bf': '0', 'sc_threshold': '0'})


@pytest.fixture(scope='module')
def broken(h264):
  return damaged(h264, 8)


def shown(content, seconds, **options):
  with decode.Video(content, 'film', **options) as video:
    return video.read(np.asarray(seconds), (48, 64))


@pytest.mark.parametrize('name', WHOLE)
def test_a_whole_film_is_not_taken_as_damaged_wherever_it_is_sought(name):
  content = film(*WHOLE[name])
  with decode.Video(content) as video:
    times = [video.time_of(frame) for frame in video.frames_from(0.0)]
  assert len(times) == COUNT
  whole = shown(content, times)
  for k in range(1, COUNT, 4):
    np.testing.assert_array_equal(
      shown(content, times[k : k + 2]), whole[k : k + 2]
    )


def test_a_damaged_frame_is_refused_by_its_time(broken):
  with pytest.raises(decode.DecodeError, match=r'film: is damaged: .* 0\.67 s'):
    shown(broken, [0.67])


def test_a_frame_that_refers_to_a_damaged_one_is_refused(broken):
  with pytest.raises(decode.DecodeError, match=r'is damaged: .* 0\.92 s'):
    shown(broken, [0.95])


def test_a_clip_without_the_damaged_group_is_read(h264, broken):
  seconds = [0.0, 0.3, 0.5, 0.6]  # before it
  np.testing.assert_array_equal(shown(broken, seconds), shown(h264, seconds))
  seconds = [1.0, 1.5, 1.9]  # from the next keyframe on
  np.testing.assert_array_equal(shown(broken, seconds), shown(h264, seconds))


def test_a_b_frame_before_a_damaged_frame_is_refused():
  content = film('mpeg4', 'mp4', {'g': '12', 'bf': '2'})
  # Stored as I P B B P B B: the fifth packet is shown two frames later.
  content = damaged(content, 4)
  with pytest.raises(decode.DecodeError, match='is damaged'):
    shown(content, [4.1 / FPS])
  assert shown(content, [3.1 / FPS]).shape


@pytest.mark.parametrize('name', ['hevc open', 'mjpeg', 'png'])
def test_damage_that_a_decoder_would_hide_is_found(name):
  content = damaged(film(*WHOLE[name]), 4, begin=6 if 'hevc' in name else None)
  with pytest.raises(decode.DecodeError, match='is damaged'):
    shown(content, np.arange(COUNT) / FPS)


def test_what_is_intact_stands_in_for_damage_in_a_prediction(h264, broken):
  seconds = np.arange(COUNT) / FPS + 0.01
  expected = shown(h264, seconds)
  expected[8:12] = expected[7]
  said = pytest.warns(mistakes.Note, match='4 pictures between 0.67 s and 0.92')
  with said, decode.Video(broken, 'film', forgiving=True) as video:
    found = video.read(seconds, (48, 64))
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_allclose(video.damaged, np.arange(8, 12) / FPS, atol=1e-3)


def test_the_first_intact_frame_stands_in_for_damage_before_it(h264):
  with pytest.warns(mistakes.Note, match='2 pictures between 0.00 s and 0.17'):
    found = shown(damaged(h264, 0), [0.0, 0.2, 0.6], forgiving=True)
  np.testing.assert_array_equal(found, shown(h264, [0.6] * 3))


def test_a_film_without_an_intact_frame_is_refused(h264):
  for number in range(COUNT):
    h264 = damaged(h264, number)
  with pytest.raises(decode.DecodeError, match='no frame'):
    shown(h264, [0.0, 1.0], forgiving=True)


def test_prepare_leaves_a_damaged_film_out(tmp_path, broken):
  path = tmp_path / 'film.mp4'
  path.write_bytes(broken)
  with pytest.raises(decode.DecodeError, match=r'is damaged: .* 0\.67 s'):
    transcode.transcode(str(path), transcode.Options())
  copying = transcode.Options(copy=True)
  with pytest.raises(decode.DecodeError, match=r'is damaged: .* 0\.67 s'):
    transcode.transcode(str(path), copying)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'webp', 'tif'])
def test_a_truncated_picture_is_refused_and_may_be_stood_in_for(
  tmp_path, suffix
):
  for number, frame in enumerate(drawn(3), 1):
    Image.fromarray(frame).save(tmp_path / f'img_{number}.{suffix}')
  cut = tmp_path / f'img_2.{suffix}'
  cut.write_bytes(cut.read_bytes()[:-200])
  read = lambda folder: folder.read(np.arange(3) / 25, (48, 64))
  with pytest.raises(decode.DecodeError, match=rf'img_2\.{suffix}'):
    read(frames.open_video(str(tmp_path)))
  with pytest.warns(mistakes.Note, match=rf'img_2\.{suffix}.* in its place'):
    found = read(frames.open_video(str(tmp_path), forgiving=True))
  np.testing.assert_array_equal(found[1], found[0])
  assert (found[2] != found[0]).any()


@pytest.mark.skipif(
  not hasattr(os, 'sched_getscheduler'), reason='macOS has no such priority'
)
def test_to_encode_leaves_the_priority_of_the_process():
  before = os.sched_getscheduler(0)
  film(*WHOLE['av1'])
  assert os.sched_getscheduler(0) == before
