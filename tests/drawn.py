"""Tiny clips that differ by a number, and folders of them."""

import pathlib

import av
import numpy as np


def clip(
  path,
  number=0,
  *,
  frames=12,
  fps=12,
  size=(48, 32),
  gop=6,
  codec='mpeg4',
  **mux,
):
  """Writes a clip of coloured blocks that move; returns its path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  width, height = size
  blocks = np.random.default_rng(number).integers(0, 255, (4, 6, 3), np.uint8)
  with av.open(str(path), 'w', options=mux) as container:
    # A cut in the film would be a keyframe.
    options = {'sc_threshold': '1000000000'} if codec == 'mpeg4' else {}
    stream = container.add_stream(codec, rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
    stream.codec_context.gop_size = gop
    for t in range(frames):
      shape = (height // 4, width // 6, 1)
      picture = np.kron(np.roll(blocks, t // 3, 1), np.ones(shape, np.uint8))
      frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return str(path)


def remuxed(source, path):
  """Copies a clip's packets into another container."""
  with av.open(source) as read, av.open(str(path), 'w') as write:
    stream = write.add_stream_from_template(read.streams.video[0])
    for packet in read.demux(read.streams.video[0]):
      if packet.size:
        packet.stream = stream
        write.mux(packet)
  return str(path)


def folder(root, classes=('run', 'walk'), train=6, val=2, **options):
  """Draws <root>/<split>/<class>/<n>.mp4, all different."""
  number = 0
  for split, count in (('train', train), ('val', val)):
    for name in classes:
      for i in range(count):
        number += 1
        clip(root / split / name / f'{i}.mp4', number, **options)
  return root


def cut_off(source, path, share=0.6):
  """Writes the beginning of a file."""
  data = pathlib.Path(source).read_bytes()
  path.write_bytes(data[: int(share * len(data))])
  return str(path)
