"""The video stream of an open file, and its packets.

A file may hold several video streams. Attached pictures, thumbnails and
streams of a single picture are no film. Of the films, the one that the file
marks as its default is taken, then the largest, then the first.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterable, Iterator

import av
from av.stream import Disposition

from vidpetl import bounds, stand_ins
from vidpetl.data import damage, faults, mp4_claims, opening

# Bits of a format's flags in FFmpeg: packets without timestamps, and clocks
# that may jump.
_NO_TIMESTAMPS, _DISCONTINUOUS = 0x80, 0x200

# Containers that store no presentation times. Decoders with a delay then date
# the first frame later than the stream's claimed beginning, and H.264's frames
# by the order in which they are stored, not by that in which they are shown.
_UNDATED = {'avi', 'asf'}

# Containers in which a seek dates its packets as reading from the start does.
# In others, MPEG program streams and damaged MXF, it guesses.
_SEEKABLE = {
  *('mov', 'matroska', 'avi', 'mpegts', 'flv', 'ogg', 'asf', 'nut', 'gif'),
  *('dv', 'ivf', 'yuv4mpegpipe'),
}

_NO_FILM = (
  Disposition.attached_pic
  | Disposition.timed_thumbnails
  | Disposition.still_image
)
# Bytes of packets that are read ahead, unless they are fewer than so many.
_MOST_AHEAD, _LEAST = 1 << 23, 8
# Packets within which a film among several streams has its second picture.
_LOOK = 400
# Lists of files, which may be pipes and other lists, without an end.
_LISTS = {'concat', 'concatf', 'dash', 'hls', 'applehttp', 'imf', 'lavfi'}
# FFmpeg counts what it pads a frame with.
_PADDED = 2
# Options of every decoder of the process.
_decoder: dict[str, str] = {}


def bound_pixels(most: int) -> None:
  """Has frames of more pixels refused, from here on and in all files.

  What a container says of its frames may be wrong, and may change within it.
  """
  _decoder['max_pixels'] = str(most)


@functools.cache
def _whole() -> dict[str, str]:
  """Returns the options by which no file is opened that names others."""
  known = sorted(av.formats_available - _LISTS)
  return {'format_whitelist': ','.join(known)}


class Stream:
  """The packets of a file's video.

  Attributes:
    video: path or encoded bytes.
    container: the open file.
    stream: the video stream of it.
    format: name of the container, e.g. 'mov' for all of its family.
    undated: whether the container stores no presentation times.
    seekable: whether seeking in such containers can be believed.
    discontinuous: whether clocks may jump in such containers.
    reached: tick at which the last packet ends that came by.
  """

  def __init__(self, video: str | bytes):
    """Opens a file.

    Args:
      video: path or encoded bytes.

    Raises:
      faults.Refused: if it has no video, or one without timestamps.
    """
    self.video = video
    self.container = None
    self._index = None
    self._open()
    form = self.container.format
    self.format = form.name.split(',')[0]
    self.undated = self.format in _UNDATED
    self.seekable = self.format in _SEEKABLE
    self.discontinuous = bool(form.flags & _DISCONTINUOUS)
    self._check(form)

  def _check(self, form: av.ContainerFormat) -> None:
    picture = self.format.endswith(('_pipe', 'image2'))
    if form.flags & _NO_TIMESTAMPS and not picture:
      codec = self.codec
      self.close()
      raise faults.Refused(
        f'is a bare {codec} stream, without timestamps: put it into a '
        'container, e.g. by `ffmpeg -framerate 25 -i FILE -c copy FILE.mp4`'
      )

  def close(self) -> None:
    """Closes the file."""
    if self.container is not None:
      self.container.close()
      self.container = None

  def _opened(self) -> av.container.InputContainer:
    file = self.video
    if isinstance(file, bytes):
      file = io.BytesIO(file)
    else:
      opening.regular(file)
      mp4_claims.check(file)
    try:
      return av.open(file, options=_whole(), metadata_errors='replace')
    except av.InvalidDataError:
      if reason := faults.instead(self._head()):
        raise faults.Refused(reason) from None
      raise
    except av.ArgumentError:
      reason = 'is a list of other files, or no container of films'
      raise faults.Refused(reason) from None

  def _head(self) -> bytes:
    """Returns the first bytes of the file."""
    if isinstance(self.video, bytes):
      return self.video[: stand_ins.HEAD]
    with open(self.video, 'rb') as file:
      return file.read(stand_ins.HEAD)

  def _open(self) -> None:
    self.close()
    self.container = self._opened()
    self._ahead: list[av.Packet] = []
    if self._index is None:
      self._index = self._choose().index
    self.stream = self.container.streams[self._index]
    # Clips are decoded in parallel; threads inside each would only compete.
    self.stream.thread_type = 'NONE'
    detection = damage.DETECTION.get(self.codec)
    most = {'max_pixels': str(_PADDED * bounds.current().pixels)}
    self.stream.codec_context.options = (
      most | _decoder | ({'err_detect': detection} if detection else {})
    )
    self._require_small()
    self._at_start = True
    self.reached = None

  def _require_small(self) -> None:
    context = self.stream.codec_context
    width, height = context.width, context.height
    what = f'its frames are {width}x{height} pixels'
    bounds.require('pixels', width * height, what)

  def _choose(self) -> av.VideoStream:
    """Returns the stream that is the film."""
    streams = [s for s in self.container.streams.video if s.codec_context]
    films = [s for s in streams if not int(s.disposition) & _NO_FILM]
    if len(films) > 1:
      films = self._moving(films)
    if not films:
      self.close()
      raise faults.Refused(
        'has no video stream, only a still picture'
        if streams
        else 'has no video stream'
      )
    default = lambda s: bool(s.disposition & Disposition.default)
    area = lambda s: s.codec_context.width * s.codec_context.height
    return max(films, key=lambda s: (default(s), area(s), -s.index))

  def _moving(self, streams: list[av.VideoStream]) -> list[av.VideoStream]:
    """Returns the streams that have a second picture, or else all."""
    counts = dict.fromkeys((s.index for s in streams), 0)
    packets = self.container.demux(streams)
    for packet in itertools.islice(packets, _LOOK):
      counts[packet.stream.index] += bool(packet.size)
    # Begins anew, as nothing says where the file stands now.
    moving = {index for index, count in counts.items() if count > 1}
    self.container.close()
    self.container = self._opened()
    return [
      s for s in self.container.streams.video if s.index in (moving or counts)
    ]

  @property
  def codec(self) -> str:
    """Name of the codec, e.g. 'h264'."""
    return self.stream.codec_context.codec.canonical_name

  @property
  def size(self) -> int:
    """Bytes of the file."""
    return self.container.size

  @property
  def tick(self) -> float:
    """Seconds."""
    return float(self.stream.time_base)

  @property
  def reordered(self) -> bool:
    """Whether frames are shown in another order than they are stored in."""
    return bool(self.stream.codec_context.has_b_frames)

  def packets(self, sound: bool = False) -> Iterator[av.Packet]:
    """Yields packets from where the file stands; the last is empty.

    Args:
      sound: whether those of the first sound come in between.
    """
    self._at_start = False
    ahead, self._ahead = self._ahead, []
    ended = ahead and is_end(ahead[-1])
    heard = self.container.streams.audio[: int(sound)]
    rest = () if ended else self.container.demux(self.stream, *heard)
    for packet in itertools.chain(ahead, rest):
      begins = packet.dts if packet.pts is None else packet.pts
      if begins is not None and packet.stream.index == self._index:
        ends = begins + (packet.duration or 0)
        self.reached = max(ends, self.reached or ends)
      yield packet

  def head(self, count: int) -> list[av.Packet]:
    """Returns the first packets, fewer of large ones; they stay to be read."""
    self.rewind()
    found, size = [], 0
    for packet in self.packets():
      found.append(packet)
      size += packet.size
      if len(found) == count or (size > _MOST_AHEAD and len(found) >= _LEAST):
        break
    self._ahead, self._at_start, self.reached = found, True, None
    return found

  def rewind(self, sound: bool = False) -> None:
    """Goes back to where the file begins.

    Args:
      sound: whether the first packets are needed of the sound, too.
    """
    if self._at_start and not (sound and self._ahead):
      return
    if self.format == 'mpegts':  # much quicker than to look for its streams
      self._sought(0, unsupported_byte_offset=True)
      self._at_start = True
    else:
      self._open()

  def keyframe(self, ticks: int) -> int | None:
    """Returns the tick of the keyframe before a tick, if an index says it."""
    entries = self.stream.index_entries
    place = entries.search_timestamp(ticks) if self.format == 'mov' else -1
    return entries[place].timestamp if place >= 0 else None

  def seek(self, ticks: int) -> bool:
    """Goes to a keyframe before a tick, and returns whether it could."""
    return self._sought(ticks, stream=self.stream)

  def _sought(self, place: int, **how) -> bool:
    self._at_start, self._ahead, self.reached = False, [], None
    try:
      self.container.seek(place, **how)
    except av.FFmpegError:
      return False
    return True

  def sample(self, places: Iterable[float]) -> list[int]:
    """Returns the ticks of decoding that are found at places, in bytes."""
    found = []
    for place in places:
      if self._sought(int(place), unsupported_byte_offset=True):
        dates = (packet.dts for packet in self.packets())
        found += itertools.islice((d for d in dates if d is not None), 1)
    return found

  def indexed_end(self) -> int:
    """Returns the tick behind the last entry of the container's index."""
    entries = self.stream.index_entries
    return entries[-1].timestamp + 1 if len(entries) else 0

  def tail(self, ticks: int) -> tuple[int | None, int, float]:
    """Reads from before a tick to the end of the file.

    Returns:
      The tick at which the last picture begins, None if there is none; that at
      which it ends; the second at which the last of all streams ends.
    """
    last, end, latest = None, 0, 0.0
    if not self.seek(ticks):
      self.rewind()
    self._at_start = False
    for packet in self.container.demux():
      begins = packet.dts if packet.pts is None else packet.pts
      if begins is None:
        continue
      ends = begins + (packet.duration or 0)
      latest = max(latest, float(ends * packet.time_base))
      if packet.stream.index == self._index and packet.size:
        last, end = max(begins, last or begins), max(ends, end)
    return last, end, latest


def is_end(packet: av.Packet) -> bool:
  """Returns whether a packet is the one that tells the decoder of the end."""
  return not packet.size and packet.pts is None and packet.dts is None


def filled(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
  """Leaves out empty packets, which hold the picture before them.

  Decoders refuse them, but for the last, which tells of the end.
  """
  return (packet for packet in packets if packet.size or is_end(packet))
