"""Films and pictures: as training, `prepare` and `predict` read them."""

from __future__ import annotations

import functools
from typing import Any

import av
import numpy as np
from etils import epath

from launch.chaos import bench, makers
from vidpetl.data import decode, frames, transcode

# Container -> codec.
_FILMS = {
  'mp4': 'libx264',
  'avi': 'mpeg4',
  'webm': 'libvpx',
  'ts': 'mpeg2video',
}
_SIZE = 64, 48


def _film(suffix: str, folder: epath.Path) -> None:
  path = folder / f'film.{suffix}'
  drawn = makers.find('drawn')
  drawn.clip(path, 1, frames=24, codec=_FILMS[suffix], size=_SIZE)


def _decoded(suffix: str, folder: epath.Path) -> Any:
  """Returns pixels as training takes them."""
  with decode.Video(str(folder / f'film.{suffix}')) as film:
    times = np.arange(film.frames or 24) / film.fps
    return film.read(times[:48], lambda h, w: (h, w))


def _prepared(suffix: str, folder: epath.Path) -> Any:
  """Returns pixels as records have them."""
  data = transcode.transcode(
    str(folder / f'film.{suffix}'), transcode.Options(short_side=32)
  )
  with decode.Video(data, 'film') as film:
    return film.read(np.arange(12) / 12, lambda h, w: (h, w))


def _pictures(suffix: str, folder: epath.Path) -> None:
  rng = np.random.default_rng(0)
  (folder / 'frames').mkdir()
  for i in range(1, 4):
    picture = np.kron(
      rng.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)
    )
    av.VideoFrame.from_ndarray(picture, format='rgb24').save(
      str(folder / 'frames' / f'{i:05d}.{suffix}')
    )


def _of_pictures(folder: epath.Path) -> Any:
  with frames.open_video(str(folder / 'frames')) as film:
    return film.read(np.arange(3) / film.fps, lambda h, w: (h, w))


READERS = (
  *(
    bench.Reader(
      f'film, {suffix}, {way}',
      functools.partial(_film, suffix),
      functools.partial(read, suffix),
    )
    for suffix in _FILMS
    for way, read in (('trained on', _decoded), ('prepared', _prepared))
  ),
  bench.Reader(
    'pictures, jpg',
    functools.partial(_pictures, 'jpg'),
    _of_pictures,
    damaged=('*.jpg',),
  ),
  bench.Reader(
    'pictures, png',
    functools.partial(_pictures, 'png'),
    _of_pictures,
    damaged=('*.png',),
    checked=('*.png',),
  ),
)
