"""Small encoded videos whose every frame says which frame it is."""

import fractions

import av
import numpy as np
import pytest
from PIL import Image

# Bits of a frame's number, as two rows of four blocks.
_ROWS, _COLUMNS = 2, 4
# Lets encoders place keyframes by `gop` alone.
_OPTIONS = {
  'libx264': {'preset': 'ultrafast', 'sc_threshold': '0', 'bf': '2'},
  'libvpx-vp9': {'deadline': 'realtime', 'cpu-used': '8'},
  'mpeg4': {'sc_threshold': '1000000000'},
}


def _coded_frame(number, width, height):
  bits = np.arange(_ROWS * _COLUMNS).reshape(_ROWS, _COLUMNS)
  blocks = (255 * ((number >> bits) & 1)).astype(np.uint8)
  frame = np.kron(
    blocks, np.ones((height // _ROWS, width // _COLUMNS), np.uint8)
  )
  return np.repeat(frame[..., None], 3, axis=-1)


@pytest.fixture(scope='session')
def write_video():
  """Returns a function that encodes frames, or numbered ones."""

  def write(
    path,
    codec='libx264',
    *,
    frames=60,
    fps=15,
    gop=12,
    pts=None,
    size=(64, 48),
    rotation=None,
    b_frames=None,
    **container_options,
  ):
    if isinstance(frames, int):
      frames = [_coded_frame(number, *size) for number in range(frames)]
    pts = range(len(frames)) if pts is None else pts
    with av.open(str(path), 'w', options=container_options) as container:
      stream = container.add_stream(codec, rate=fps, options=_OPTIONS[codec])
      stream.height, stream.width = frames[0].shape[:2]
      stream.pix_fmt = 'yuv420p'
      stream.codec_context.gop_size = gop
      if b_frames is not None:
        stream.codec_context.max_b_frames = b_frames
      stream.codec_context.time_base = fractions.Fraction(1, fps)
      if rotation is not None:
        stream.set_display_rotation(rotation)
      for moment, image in zip(pts, frames):
        frame = av.VideoFrame.from_ndarray(image, format='rgb24')
        frame.pts, frame.time_base = moment, fractions.Fraction(1, fps)
        container.mux(stream.encode(frame))
      container.mux(stream.encode())
    return str(path)

  return write


@pytest.fixture(scope='session')
def write_frames():
  """Returns a function that writes frames, each as bright as its number.

  Numbers begin with 1, as those of published frames do.
  """

  def write(folder, name, count):
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
      picture = Image.new('RGB', (32, 32), (number,) * 3)
      picture.save(folder / name.format(number), quality=95)

  return write


@pytest.fixture(scope='session')
def read_codes():
  """Returns a function from frames [..., h, w, 3] to their numbers [...]."""

  def read(frames):
    *leading, height, width, _ = frames.shape
    rows, columns = height // _ROWS, width // _COLUMNS
    blocks = frames[..., : rows * _ROWS, : columns * _COLUMNS, :].reshape(
      *leading, _ROWS, rows, _COLUMNS, columns * 3
    )
    bits = blocks.mean(axis=(-3, -1)).reshape(*leading, -1) > 127
    return (bits * 2 ** np.arange(_ROWS * _COLUMNS)).sum(-1)

  return read


@pytest.fixture(scope='module')
def video(tmp_path_factory, write_video):
  return write_video(tmp_path_factory.mktemp('clips') / 'a.mp4')


@pytest.fixture(scope='module')
def short(tmp_path_factory, write_video):
  return write_video(tmp_path_factory.mktemp('clips') / 'b.mp4', frames=10)


@pytest.fixture
def codes(read_codes):
  """Returns a function from a clip to its frames' numbers."""
  return lambda clip: read_codes(
    clip['video'][..., : clip['size'][0], : clip['size'][1], :]
  ).tolist()
