"""Kinds of files that films are written to, and what each holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from etils import epath


@dataclasses.dataclass(frozen=True)
class Container:
  """A kind of file.

  Attributes:
    format: its name in FFmpeg.
    codec: encoder of the pictures.
    quality: options of that encoder.
    held: codecs of sound that players take from such a file; their packets are
      copied. None: whatever FFmpeg writes into it.
    sound: encoder of all other sound.
    rates: samples per second that it takes.
    options: of the container.
  """

  format: str
  codec: str
  quality: Mapping[str, str]
  held: frozenset[str] | None
  sound: str
  rates: tuple[int, ...]
  options: Mapping[str, str] = dataclasses.field(default_factory=dict)


_AAC = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_X264 = {'crf': '20', 'preset': 'veryfast'}
_H264 = ('libx264', _X264)
# The index comes first, so that a browser plays before it has all.
_START = {'movflags': 'faststart'}
_MP4 = frozenset({'aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac', 'alac'})
_PCM = frozenset({'pcm_s16le', 'pcm_s16be', 'pcm_s24le'})
_VP9 = {
  'crf': '31',
  'b': '0',
  'deadline': 'good',
  'cpu-used': '5',
  'row-mt': '1',
}

CONTAINERS = {
  '.mp4': Container('mp4', *_H264, _MP4, 'aac', _AAC, _START),
  '.mov': Container(
    'mov', *_H264, _MP4 - {'opus', 'flac'} | _PCM, 'aac', _AAC, _START
  ),
  '.mkv': Container('matroska', *_H264, None, 'aac', _AAC),
  '.webm': Container(
    'webm',
    'libvpx-vp9',
    _VP9,
    frozenset({'opus', 'vorbis'}),
    'libopus',
    (8000, 12000, 16000, 24000, 48000),
  ),
}


def of(path: epath.Path) -> Container:
  """Returns the kind of file that a path is to be.

  Raises:
    ValueError: if films are not written to such files.
  """
  container = CONTAINERS.get(path.suffix.lower())
  if container is None:
    raise ValueError(
      f'{path}: films are written to {" ".join(CONTAINERS)} files, not to '
      f'{path.suffix or "one without a suffix"}.'
    )
  return container
