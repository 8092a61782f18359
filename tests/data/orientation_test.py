"""Pictures come as players show them: upright, not mirrored, square pixels."""

import fractions
import gc
import io

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from launch import films
from vidpetl.data import decode, frames, picture, transcode

FULL = lambda height, width: (height, width)
_SHARP = transcode.Options(crf=3, preset='ultrafast')
# Red, green, blue and black quarters.
IMAGE = np.zeros((48, 64, 3), np.uint8)
IMAGE[:24, :32, 0] = IMAGE[:24, 32:, 1] = IMAGE[24:, :32, 2] = 255
ORIENTATIONS = range(1, 9)  # of EXIF data


def first(video):
  with frames.open_video(video) as opened:
    return opened.read(np.zeros(1), FULL)[0].astype(int)


def assert_alike(some, other, most=5):
  assert some.shape == other.shape
  assert np.abs(some - other).mean() < most


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
  """A film of one picture, repeated."""
  folder = tmp_path_factory.mktemp('plain')
  (folder / 'x.rgb').write_bytes(IMAGE.tobytes() * 5)
  films.ffmpeg(
    '-f rawvideo -pix_fmt rgb24 -s 64x48 -i {x} -c:v libx264 -crf 3 '
    '-preset ultrafast {plain}',
    x=folder / 'x.rgb',
    plain=folder / 'plain.mp4',
  )
  return folder / 'plain.mp4'


@pytest.mark.parametrize('mirrored', ['', '-display_hflip', '-display_vflip'])
@pytest.mark.parametrize('angle', [0, 90, 180, 270])
def test_a_display_matrix_turns_and_mirrors_as_in_ffmpeg(
  tmp_path, plain, angle, mirrored
):
  path = tmp_path / 'turned.mp4'
  films.ffmpeg(
    f'-display_rotation {angle} {mirrored} -i {{plain}} -c copy {{path}}',
    plain=plain,
    path=path,
  )
  pixels, _ = films.ffmpeg(
    '-i {path} -frames:v 1 -f rawvideo -pix_fmt rgb24 -', path=path
  )
  shape = (64, 48, 3) if angle % 180 else (48, 64, 3)
  truth = np.frombuffer(pixels, np.uint8).reshape(shape).astype(int)
  assert_alike(first(str(path)), truth)
  assert_alike(first(transcode.transcode(str(path), _SHARP)), truth)
  info = decode.probe(str(path))
  assert (info.height, info.width) == shape[:2]


def _image(orientation, suffix):
  """Returns an encoded image, and what it shows."""
  exif = Image.Exif()
  exif[274] = orientation
  out = io.BytesIO()
  image = Image.fromarray(IMAGE)
  image.save(out, 'png' if suffix == 'png' else 'jpeg', exif=exif, quality=95)
  shown = ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue())))
  return out.getvalue(), np.asarray(shown.convert('RGB')).astype(int)


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_exif_data_of_images_and_folders_count(tmp_path, orientation, suffix):
  content, truth = _image(orientation, suffix)
  for number in range(3):
    (tmp_path / f'{number:03d}.{suffix}').write_bytes(content)
  assert_alike(first(content), truth)
  assert_alike(first(str(tmp_path / f'000.{suffix}')), truth)
  assert_alike(first(str(tmp_path)), truth)
  assert_alike(first(transcode.transcode(str(tmp_path), _SHARP)), truth)


def test_exif_data_of_motion_jpeg_counts(tmp_path):
  content, truth = _image(5, 'jpg')
  path = str(tmp_path / 'camera.avi')
  with av.open(path, 'w') as container:
    stream = container.add_stream('mjpeg', rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuvj420p'
    for number in range(5):
      packet = av.Packet(content)
      packet.stream, packet.pts, packet.dts = stream, number, number
      packet.time_base = fractions.Fraction(1, 25)
      packet.is_keyframe = True
      container.mux(packet)
  assert_alike(first(path), truth)
  assert_alike(first(transcode.transcode(path, _SHARP)), truth)


def test_frames_of_a_folder_may_be_turned_differently(tmp_path):
  upright, truth = _image(1, 'jpg')
  turned = Image.fromarray(IMAGE).transpose(Image.Transpose.ROTATE_90)
  exif = Image.Exif()
  exif[274] = 6  # is shown turned by a quarter clockwise
  turned.save(tmp_path / '001.jpg', exif=exif, quality=95)
  (tmp_path / '002.jpg').write_bytes(upright)
  with frames.open_video(str(tmp_path)) as opened:
    for frame in opened.read(np.arange(2) / 25, FULL):
      assert_alike(frame.astype(int), truth)


@pytest.mark.parametrize(
  'aspect, angle, size',
  [('8/9', 0, (48, 57)), ('4/3', 0, (48, 85)), ('4/3', 90, (85, 48))],
)
def test_pixels_become_square(tmp_path, plain, aspect, angle, size):
  films.ffmpeg(
    f'-i {{plain}} -vf setsar={aspect} -c:v libx264 {{wide}}',
    plain=plain,
    wide=tmp_path / 'wide.mp4',
  )
  path = tmp_path / 'shown.mp4'
  films.ffmpeg(
    f'-display_rotation {angle} -i {{wide}} -c copy {{path}}',
    wide=tmp_path / 'wide.mp4',
    path=path,
  )
  info = decode.probe(str(path))
  assert (info.height, info.width) == size
  shown = first(str(path))
  assert shown.shape[:2] == size
  prepared = decode.probe(transcode.transcode(str(path), _SHARP))
  assert abs(prepared.height - size[0]) <= 1
  assert abs(prepared.width - size[1]) <= 1
  small = transcode.Options(short_side=24, preset='ultrafast')
  prepared = decode.probe(transcode.transcode(str(path), small))
  assert min(prepared.height, prepared.width) == 24
  assert prepared.width / prepared.height == pytest.approx(
    size[1] / size[0], rel=0.05
  )


def test_frames_that_were_shown_do_not_stay_in_memory(plain):
  gc.collect()
  gc.disable()
  try:
    with decode.Video(str(plain)) as video:
      for frame in video.frames_from(0.0):
        picture.Picture(frame, 'plain').rgb(48, 64)
      del frame
    left = [o for o in gc.get_objects() if isinstance(o, av.VideoFrame)]
  finally:
    gc.enable()
  assert len(left) <= 1
