"""Short films whose every frame shows its number, in files of every kind."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping

import imageio_ffmpeg
import numpy as np
from etils import epath

FRAMES, FPS, WIDTH, HEIGHT = 60, 25, 64, 48
# Bits of a frame's number, as two rows of four blocks.
_ROWS, _COLUMNS = 2, 4

_X264 = 'libx264 -preset ultrafast -sc_threshold 0'
_X265 = 'libx265 -preset ultrafast -x265-params log-level=none:keyint=15'
_VPX = '-deadline realtime -cpu-used 8'
_ALTREF = '-cpu-used 8 -auto-alt-ref 1 -lag-in-frames 12 -g 20'
# Codec and how it is used -> encoder and its options.
ENCODERS = {
  'h264': f'{_X264} -bf 0 -g 12',
  'h264 B': f'{_X264} -bf 2 -g 12',
  'h264 B one GOP': f'{_X264} -bf 2 -g 250',
  'h264 B pyramid': f'{_X264} -bf 4 -b-pyramid normal -refs 4 -g 20',
  'h264 B open GOP': f'{_X264} -bf 3 -g 15 -x264-params open-gop=1',
  'h264 intra refresh': f'{_X264} -bf 0 -g 15 -x264-params intra-refresh=1',
  'h264 B interlaced': f'{_X264} -bf 2 -g 12 -x264-params tff=1',
  'h264 full range': f'{_X264} -g 12 -pix_fmt yuvj420p',
  'h264 4:4:4': f'{_X264} -g 12 -pix_fmt yuv444p',
  'h264 10 bit': f'{_X264} -g 12 -pix_fmt yuv420p10le',
  'hevc B': _X265,
  'hevc B 10 bit': f'{_X265} -pix_fmt yuv420p10le',
  'av1': 'libsvtav1 -preset 12 -g 20 -svtav1-params lp=1',
  'vp8': f'libvpx {_VPX} -auto-alt-ref 0 -g 20',
  'vp8 altref': f'libvpx {_ALTREF}',
  'vp9': f'libvpx-vp9 {_VPX} -g 20',
  'vp9 altref': f'libvpx-vp9 {_ALTREF}',
  'mpeg4': 'mpeg4 -q 2 -g 12',
  'mpeg4 B': 'mpeg4 -q 2 -g 12 -bf 2',
  'xvid B': 'libxvid -q 2 -g 12 -bf 2',
  'mpeg2': 'mpeg2video -q 2 -g 12 -bf 0',
  'mpeg2 B': 'mpeg2video -q 2 -g 12 -bf 2',
  'mpeg2 B open GOP': 'mpeg2video -q 2 -g 9 -bf 2 -sc_threshold 1000000000',
  'mpeg2 BBB': 'mpeg2video -q 5 -g 15 -bf 3',
  'mpeg1 B': 'mpeg1video -q 2 -g 12 -bf 2',
  'mjpeg': 'mjpeg -q 3 -pix_fmt yuvj420p',
  'theora': 'libtheora -q 8 -g 12',
  'flv1': 'flv -q 2 -g 12',
  'wmv2': 'wmv2 -q 2 -g 12',
  'wmv1': 'wmv1 -q 2 -g 12',
  'msmpeg4': 'msmpeg4 -q 2 -g 12',
  'h263': 'h263 -q 2 -g 12 -s 176x144',
  'ffv1': 'ffv1 -g 1',
  'prores': 'prores -pix_fmt yuv422p10le',
  'gif': 'gif',
  'dv': 'dvvideo -s 720x576 -pix_fmt yuv420p',
}

_SOUND = '-f lavfi -t 3 -i sine=440:r=48000 -b:a 64k'
# Every third frame comes late, and two are held.
_UNEVEN = (
  '-fps_mode passthrough -enc_time_base 1/1000 -vf "settb=1/1000,'
  "setpts='40*(N+if(gt(N,20),9,0)+if(gt(N,40),5,0)+mod(N,3)*0.3)'\""
)
_STILL = (
  '-f lavfi -t 1 -i color=red:s=96x96:r=1 -i {file} -map 0 -map 1 -c:v:1 copy '
  '-c:v:0 mjpeg -pix_fmt:v:0 yuvj420p'
)
# Structure -> what the encoder is told besides. Behind a bar is what a second
# pass does to its file: of ffmpeg, or a name in `_EDITS`.
STRUCTURES = {
  '': '',
  'sound': _SOUND,
  'AAC': f'{_SOUND} -c:a aac',
  'Opus': f'{_SOUND} -c:a libopus',
  'sound, pictures late': f'{_SOUND} | -itsoffset 1.3 -i {{file}} -i {{file}} '
  '-map 0:v -map 1:a -c copy',
  'pictures late': '-output_ts_offset 2.4 -avoid_negative_ts 0',
  'uneven': _UNEVEN,
  'fragmented': '-movflags frag_keyframe+empty_moov+default_base_moof',
  'edit list': '| -ss 0.7 -i {file} -c copy',
  'edit list, AAC': f'{_SOUND} -c:a aac | -ss 0.7 -i {{file}} -c copy',
  'starts at an hour': '-output_ts_offset 3600',
  'clock wraps': '-output_ts_offset 95442.1',
  'no frame rate': '| no rate',
  'no frame rate, uneven': f'{_UNEVEN} | no rate',
  'two in one': '| twice',
  'two in one, sound': f'{_SOUND} -shortest | twice',
  'ticks of 1/600': '-fps_mode passthrough -enc_time_base 1/600',
  'wide pixels': '-aspect 16:9',
  'rotated': '| -display_rotation 90 -i {file} -c copy',
  'mirrored': '| -display_hflip -i {file} -c copy',
  'rotated, mirrored': '| -display_rotation 90 -display_hflip -i {file} '
  '-c copy',
  'live': '-live 1',
  'odd size': '-vf crop=61:45:0:0',
  '29.97 fps': '-vf setpts=N/(30000/1001)/TB -r 30000/1001',
  'cover first': f'| {_STILL} -disposition:v:0 attached_pic',
  'still first': f'| {_STILL}',
}
# Container -> codec -> structures besides the plain one.
FILMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
  'mp4': {
    'h264': (
      *('AAC', 'sound, pictures late', 'uneven', 'fragmented', 'edit list'),
      *('edit list, AAC', 'rotated', 'mirrored', 'rotated, mirrored'),
      *('cover first', 'wide pixels'),
    ),
    'h264 B': (
      *('AAC', 'pictures late', 'uneven', 'fragmented', 'edit list'),
      '29.97 fps',
    ),
    **dict.fromkeys(('h264 B one GOP', 'h264 B pyramid'), ()),
    'h264 B open GOP': ('edit list',),
    **dict.fromkeys(('h264 intra refresh', 'h264 B interlaced'), ()),
    **dict.fromkeys(('h264 full range', 'h264 10 bit', 'hevc B 10 bit'), ()),
    'h264 4:4:4': ('odd size',),
    'hevc B': ('AAC', 'edit list'),
    'av1': ('Opus',),
    'vp9': ('Opus',),
    'mpeg4 B': ('AAC',),
    **dict.fromkeys(('mpeg4', 'mpeg2 B', 'mjpeg'), ()),
  },
  'mov': {
    'h264 B': ('AAC', 'rotated'),
    **dict.fromkeys(('mjpeg', 'prores', 'mpeg4 B', 'hevc B', 'dv'), ()),
  },
  '3gp': {'h263': (), 'h264': ()},
  'mkv': {
    'h264 B': (
      *('AAC', 'pictures late', 'uneven', 'no frame rate', 'wide pixels'),
      *('sound, pictures late', 'still first'),
    ),
    'ffv1': ('odd size',),
    **dict.fromkeys(('hevc B', 'mpeg4 B', 'mpeg2 B', 'h264 B open GOP'), ()),
    **dict.fromkeys(('theora', 'vp8', 'av1'), ()),
  },
  'webm': {
    'vp8': ('Opus', 'live'),
    'vp8 altref': (),
    'vp9': (
      *('Opus', 'no frame rate', 'no frame rate, uneven', 'live'),
      '29.97 fps',
    ),
    'vp9 altref': ('Opus',),
    'av1': (),
  },
  'avi': {
    'h264': ('sound', 'ticks of 1/600'),
    **dict.fromkeys(('h264 B', 'mpeg4', 'xvid B'), ('sound',)),
    **dict.fromkeys(('mpeg4 B', 'h264 B pyramid'), ()),
    **dict.fromkeys(('mjpeg', 'msmpeg4', 'ffv1'), ()),
  },
  'ts': {
    'h264': ('AAC', 'sound, pictures late', 'clock wraps', 'two in one'),
    'h264 B': (
      *('AAC', 'starts at an hour', 'clock wraps', 'two in one'),
      'two in one, sound',
    ),
    'hevc B': ('AAC', 'two in one'),
    'mpeg2 B': ('sound', 'two in one'),
    **dict.fromkeys(('h264 B open GOP', 'h264 B pyramid'), ()),
    **dict.fromkeys(('h264 B interlaced', 'mpeg1 B'), ()),
  },
  'm2ts': {'h264 B': ('sound',), 'mpeg2 B': ()},
  'mpg': {
    'mpeg2 B': ('sound', 'two in one', 'pictures late'),
    'mpeg1 B': ('sound',),
    **dict.fromkeys(('mpeg2', 'mpeg2 B open GOP', 'h264 B'), ()),
  },
  'vob': {'mpeg2 B': ('sound', 'wide pixels')},
  'flv': {'flv1': ('sound',), 'h264 B': ('AAC', 'uneven')},
  'ogv': {'theora': ('sound',)},
  'wmv': {'wmv2': ('sound',), 'wmv1': ()},
  'asf': {'msmpeg4': (), 'h264 B': ()},
  'mxf': {'mpeg2 B': ('sound',), 'mpeg2': (), 'prores': ()},
  'nut': {'h264 B': ('sound',), 'mpeg4 B': ()},
  'gif': {'gif': ('uneven',)},
  'dv': {'dv': ()},
}


@dataclasses.dataclass(frozen=True)
class Film:
  """One kind of file.

  Attributes:
    container: its suffix.
    codec: of `ENCODERS`.
    structure: of `STRUCTURES`.
  """

  container: str
  codec: str
  structure: str = ''

  def __str__(self) -> str:
    return ' '.join((self.container, self.codec, self.structure)).strip()

  @property
  def file(self) -> str:
    name = re.sub(r'\W+', '_', f'{self.codec} {self.structure}').strip('_')
    return f'{name}.{self.container}'


def films() -> list[Film]:
  """Returns every kind, the plain ones first."""
  plain = [Film(c, codec) for c, codecs in FILMS.items() for codec in codecs]
  return plain + [
    dataclasses.replace(film, structure=structure)
    for film in plain
    for structure in FILMS[film.container][film.codec]
  ]


def numbered(number: int) -> np.ndarray:
  """Returns uint8 [h, w, 3], whose blocks are the bits of a number."""
  bits = np.arange(_ROWS * _COLUMNS).reshape(_ROWS, _COLUMNS)
  blocks = (255 * ((number >> bits) & 1)).astype(np.uint8)
  block = np.ones((HEIGHT // _ROWS, WIDTH // _COLUMNS, 3), np.uint8)
  return np.kron(blocks[..., None], block)


def ffmpeg(arguments: str, **files: epath.PathLike) -> tuple[bytes, str]:
  """Runs ffmpeg, and returns what it wrote to stdout and to stderr.

  Args:
    arguments: with names of files in braces.
    **files: what the names stand for.

  Raises:
    RuntimeError: with what it said, if it fails.
  """
  words = [word.format(**files) for word in shlex.split(arguments)]
  command = [imageio_ffmpeg.get_ffmpeg_exe(), '-hide_banner', '-nostdin', '-y']
  done = subprocess.run([*command, *words], capture_output=True, check=False)
  said = done.stderr.decode(errors='replace')
  if done.returncode:
    raise RuntimeError(f'ffmpeg {shlex.join(words)}: {said[-2000:]}')
  return done.stdout, said


def draw(film: Film, folder: epath.Path, count: int = FRAMES) -> epath.Path:
  """Writes a film of `count` frames, at most 256, and returns its path."""
  frames = folder / f'{film.file}.rgb'
  frames.write_bytes(np.stack([*map(numbered, range(count))]).tobytes())
  first, _, second = (
    part.strip() for part in STRUCTURES[film.structure].partition('|')
  )
  path = folder / film.file
  encoded = folder / f'first_{film.file}' if second else path
  ffmpeg(
    f'-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FPS} -i {{frames}} '
    f'{first} -c:v {ENCODERS[film.codec]} {{encoded}}',
    frames=frames,
    encoded=encoded,
  )
  frames.unlink()
  if second in _EDITS:
    path.write_bytes(_EDITS[second](encoded.read_bytes()))
  elif second:
    ffmpeg(f'{second} {{path}}', file=encoded, path=path)
  return path


def without_rate(matroska: bytes) -> bytes:
  """Returns a file whose header does not say how long a frame lasts."""
  at = matroska.index(b'\x23\xe3\x83\x84')
  # An element of the same length that means nothing.
  return matroska[:at] + b'\xec\x86' + bytes(6) + matroska[at + 8 :]


_EDITS: dict[str, Callable[[bytes], bytes]] = {
  'no rate': without_rate,
  'twice': lambda content: content + content,
}
