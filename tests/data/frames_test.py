"""Folders of frames: read by time, as videos are."""

import fractions
import os

import av
import numpy as np
import pytest
from PIL import Image

from vidpetl.data import decode, frames

FULL = lambda height, width: (height, width)


def _picture(number, height=48, width=64):
  """A frame whose eight blocks are the bits of its number."""
  blocks = (255 * ((number >> np.arange(8).reshape(2, 4)) & 1)).astype(np.uint8)
  blocks = np.kron(blocks, np.ones((height // 2, width // 4), np.uint8))
  return np.repeat(blocks[..., None], 3, axis=-1)


def _encoded(picture, suffix='.jpg'):
  codec, layout = {'.jpg': ('mjpeg', 'yuvj444p'), '.png': ('png', 'rgb24')}[
    suffix
  ]
  encoder = av.CodecContext.create(codec, 'w')
  encoder.height, encoder.width = picture.shape[:2]
  encoder.pix_fmt, encoder.time_base = layout, fractions.Fraction(1, 25)
  frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
  packets = [*encoder.encode(frame), *encoder.encode()]
  return b''.join(bytes(packet) for packet in packets)


@pytest.fixture
def folder(tmp_path):
  """Frames 489 to 500, whose pictures say 0 to 11."""
  for number in range(12):
    path = tmp_path / f'{489 + number:05d}.jpg'
    path.write_bytes(_encoded(_picture(number)))
  return tmp_path


def test_time_begins_with_the_first_file(folder, read_codes):
  times = np.array([0.04, 0, 0.0399, -3, 3 / 25, 0.2 - 1e-9, 9, 0.04])
  with frames.open_video(str(folder)) as video:
    shown = read_codes(video.read(times, FULL))
    assert (video.fps, video.frames, video.duration) == (25, 12, 12 / 25)
  assert shown.tolist() == [1, 0, 0, 0, 3, 5, 11, 1]


def test_the_caller_says_how_fast_it_is(folder, read_codes):
  with frames.open_video(str(folder), fps=10) as video:
    assert video.duration == 1.2
    shown = read_codes(video.read(np.arange(12) / 10, FULL))
  assert shown.tolist() == list(range(12))


def test_numbers_need_no_zeros(tmp_path, read_codes):
  for number in range(12):
    path = tmp_path / f'img_{number}.png'
    path.write_bytes(_encoded(_picture(number), '.png'))
  (tmp_path / 'notes.txt').touch()
  with frames.open_video(str(tmp_path)) as video:
    shown = read_codes(video.read(np.arange(12) / 25, FULL))
  assert shown.tolist() == list(range(12))


@pytest.mark.parametrize('size', [(48, 64), (17, 30), (100, 90)])
def test_pixels_are_those_of_the_video(tmp_path, size):
  pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8)
  with av.open(str(tmp_path / 'video.mov'), 'w') as container:
    stream = container.add_stream('png', rate=25)
    stream.height, stream.width, stream.pix_fmt = 48, 64, 'rgb24'
    for picture in pictures:
      frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  (tmp_path / 'frames').mkdir()
  for number, picture in enumerate(pictures):
    path = tmp_path / 'frames' / f'{number}.png'
    path.write_bytes(_encoded(picture, '.png'))
  times = np.array([0.04, 0.0, 0.08])
  video, folder = (
    frames.open_video(str(tmp_path / name)) for name in ('video.mov', 'frames')
  )
  with video, folder:
    np.testing.assert_array_equal(
      folder.read(times, size), video.read(times, size)
    )


def test_only_frames_that_are_asked_for_are_opened(folder, read_codes):
  for path in folder.iterdir():
    if path.name != '00492.jpg':
      path.write_bytes(b'')
  with frames.open_video(str(folder)) as video:
    assert read_codes(video.read(np.array([3 / 25]), FULL)).tolist() == [3]


@pytest.mark.parametrize(
  'content, reason',
  [(b'', 'is empty'), (b'no jpeg', 'is no picture'), (None, 'Invalid')],
)
def test_an_unreadable_frame_is_named(folder, content, reason):
  path = folder / '00492.jpg'
  path.write_bytes(path.read_bytes()[:-200] if content is None else content)
  with (
    frames.open_video(str(folder), name='clip') as video,
    pytest.raises(decode.DecodeError, match=rf'00492\.jpg: .*{reason}'),
  ):
    video.read(np.array([0.0, 3 / 25]), FULL)


def test_frames_of_several_sizes(folder):
  picture = _picture(3, height=24)
  (folder / '00492.jpg').write_bytes(_encoded(picture))
  with (
    frames.open_video(str(folder)) as video,
    pytest.raises(decode.DecodeError, match=r'00492\.jpg: .* several sizes'),
  ):
    video.read(np.array([0.0, 3 / 25]), FULL)


def test_a_gap_is_named_also_when_it_comes_later(folder):
  os.utime(folder, ns=(1, 1))
  frames.open_video(str(folder)).close()
  (folder / '00492.jpg').unlink()
  with pytest.raises(
    decode.DecodeError, match=r'00492\.jpg: is missing: .* there is 00500\.jpg'
  ):
    frames.open_video(str(folder))


@pytest.mark.parametrize(
  'names, message',
  [
    ([], 'has no frames'),
    (['notes.txt'], 'has no frames'),
    (['1.jpg', 'cover.jpg'], r'cover\.jpg: is no frame'),
    (['1.jpg', '2.png'], r'2\.jpg: is missing: .* there is 2\.png'),
    (['flow_x_1.jpg'], 'has no frames'),
    (['1.jpg', '01.jpg'], 'is missing'),
    (['img_1.jpg', 'u_1.jpg'], r'img_2\.jpg: .* there is u_1\.jpg'),
  ],
)
def test_a_folder_that_is_no_video(tmp_path, names, message):
  for name in names:
    (tmp_path / name).touch()
  with pytest.raises(decode.DecodeError, match=message):
    frames.open_video(str(tmp_path))


def test_files_and_bytes_are_read_as_ever(tmp_path, write_video, read_codes):
  path = write_video(tmp_path / 'a.mp4', frames=5)
  for video in (path, (tmp_path / 'a.mp4').read_bytes()):
    with frames.open_video(video, fps=99) as opened:
      assert opened.fps == 15
      assert read_codes(opened.read(np.array([0.2]), FULL)).tolist() == [3]


@pytest.mark.parametrize(
  'suffix, codec',
  [
    *[('.bmp', 'bmp'), ('.webp', 'webp'), ('.tif', 'tiff'), ('.TIFF', 'tiff')],
    # What was saved under another kind's suffix.
    *[('.jpg', 'png'), ('.jpg', 'webp'), ('.png', 'jpeg'), ('.JPG', 'jpeg')],
  ],
)
def test_further_kinds_of_images(tmp_path, read_codes, suffix, codec):
  for number in range(12):
    picture = Image.fromarray(_picture(number))
    picture.save(tmp_path / f'{number:04d}{suffix}', codec)
  with frames.open_video(str(tmp_path)) as video:
    shown = read_codes(video.read(np.arange(12) / 25, FULL))
  assert shown.tolist() == list(range(12))


def test_windows_numbers_files_in_brackets(tmp_path, read_codes):
  for number in range(12):
    path = tmp_path / f'my frame ({number + 1}).jpg'
    path.write_bytes(_encoded(_picture(number)))
    assert frames.is_frame(path.name)
  with frames.open_video(str(tmp_path)) as video:
    shown = read_codes(video.read(np.arange(12) / 25, FULL))
  assert shown.tolist() == list(range(12))


@pytest.mark.parametrize('other', ['1.JPG', '1.jpeg', 'a1.jpg', '01.jpg'])
def test_names_that_differ_in_more_than_their_number(tmp_path, other):
  for name in ('0.jpg', other, '2.jpg'):
    (tmp_path / name).touch()
  with pytest.raises(decode.DecodeError, match='; rename it') as caught:
    frames.open_video(str(tmp_path))
  assert f'there is {other}' in str(caught.value)


def test_flow_and_litter_beside_frames_are_no_frames(folder, read_codes):
  for name in ('flow_x_00489.jpg', 'flow_y_00489.jpg', '._00489.jpg'):
    (folder / name).touch()
  with frames.open_video(str(folder)) as video:
    assert video.frames == 12
    shown = read_codes(video.read(np.arange(12) / 25, FULL))
  assert shown.tolist() == list(range(12))


def test_a_gap_is_named_with_how_many_are_missing(folder):
  for number in (491, 495, 496):
    (folder / f'00{number}.jpg').unlink()
  with pytest.raises(
    decode.DecodeError,
    match=r'00491\.jpg: is missing: .* 9 frames have numbers from 489 to 500, '
    'of which 3 are missing',
  ):
    frames.open_video(str(folder))
