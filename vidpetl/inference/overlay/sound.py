"""The sound of a film, copied beside new pictures.

Packets are copied as they are where the new file holds their codec, and are
encoded anew elsewhere. Their times are those of the film's own clock, so that
sound that begins before or after the pictures does so still.
"""

from __future__ import annotations

import fractions
from collections.abc import Iterator
from typing import Self

import av

from vidpetl import mistakes
from vidpetl.data import decode, packets, streams
from vidpetl.inference.overlay import containers

# Bits per second and channel of sound that is encoded anew.
_BIT_RATE = 96_000
# Of files that say how many channels there are, and not which.
_LAYOUTS = ('mono', 'stereo', '2.1', '4.0', '5.0', '5.1', '6.1', '7.1')


class _Track:
  """One sound of a film.

  Attributes:
    stream: of the new file.
  """

  def __init__(self, stream: av.AudioStream, origin: float):
    """Takes a stream that has no packets yet.

    Args:
      stream: of the new file.
      origin: second of the film's timestamps at which it begins.
    """
    self.stream = stream
    self._origin = fractions.Fraction(origin)

  def _ticks(self, time_base: fractions.Fraction) -> int:
    """Returns the film's beginning in ticks."""
    return round(self._origin / time_base)

  def packets(self, packet: av.Packet) -> list[av.Packet]:
    """Returns what a packet of the film becomes."""
    raise NotImplementedError

  def rest(self) -> list[av.Packet]:
    """Returns what is still to come when the film has ended."""
    raise NotImplementedError


class _Copied(_Track):
  """Sound whose packets stay as they are."""

  _last = None

  def packets(self, packet: av.Packet) -> list[av.Packet]:
    if not packet.size:
      return []
    origin = self._ticks(packet.time_base)
    begins = packet.pts if packet.dts is None else packet.dts
    if begins is None:
      begins = origin if self._last is None else self._last + 1 + origin
    # Containers take times that ascend only.
    begins -= origin
    if self._last is not None:
      begins = max(begins, self._last + 1)
    packet.pts = packet.dts = self._last = begins
    packet.stream = self.stream
    return [packet]

  def rest(self) -> list[av.Packet]:
    return []


class _Encoded(_Track):
  """Sound of a codec that the new file does not hold."""

  def __init__(self, stream: av.AudioStream, origin: float, name: str):
    super().__init__(stream, origin)
    self._name = name

  def packets(self, packet: av.Packet) -> list[av.Packet]:
    try:
      frames = packet.decode()
    except av.InvalidDataError:
      mistakes.note(f'{self._name}: damaged sound is left out of the copy.')
      return []
    found = []
    for frame in frames:
      if frame.pts is not None:
        frame.pts -= self._ticks(frame.time_base)
      found += self.stream.encode(frame)
    return found

  def rest(self) -> list[av.Packet]:
    return self.stream.encode(None)


class Silence:
  """The sound of a folder of frames, with the interface of `Sound`."""

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    pass

  def until(self, seconds: float) -> None:
    pass

  def finish(self) -> None:
    pass


class Sound:
  """Copies all sounds of a film, as far as its pictures have come.

  Use it as a context manager.
  """

  def __init__(
    self,
    film: decode.Video,
    source: str,
    out: av.container.OutputContainer,
    container: containers.Container,
  ):
    """Adds a stream to the new file for each sound.

    Args:
      film: open.
      source: its path.
      out: the new file, to which nothing was written yet.
      container: what it is.
    """
    self._film, self._out = film, out
    self._source = streams.Stream(source)
    heard = list(self._source.container.streams.audio)
    origin = _origin(film, self._source)
    self._tracks = {
      stream.index: self._track(stream, origin, container) for stream in heard
    }
    self._jumps = self._source.discontinuous and not film.clock.steady
    self._packets = self._read(heard)
    self._next = next(self._packets, None)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self._source.close()

  def _track(
    self,
    stream: av.AudioStream,
    origin: float,
    container: containers.Container,
  ) -> _Track:
    held = container.held
    if held is None:
      held = self._out.supported_codecs
    if stream.codec_context.codec.canonical_name in held:
      return _Copied(self._out.add_stream_from_template(stream), origin)
    layout = _layout(stream)
    new = self._out.add_stream(
      container.sound,
      rate=_nearest(stream.codec_context.sample_rate, container.rates),
      layout=layout,
    )
    new.bit_rate = _BIT_RATE * layout.nb_channels
    return _Encoded(new, origin, self._film.name)

  def _read(
    self, heard: list[av.AudioStream]
  ) -> Iterator[tuple[float, av.Packet]]:
    """Yields packets of all sounds, and the seconds at which they begin.

    Raises:
      decode.DecodeError: if the file is damaged.
    """
    if not heard:
      return
    with decode.blaming(self._film.name):
      at = 0.0
      for packet in self._demuxed(heard):
        begins = packet.dts if packet.pts is None else packet.pts
        if begins is not None:
          at = float(begins * packet.time_base)
        if packet.stream.index in self._tracks:
          yield at - self._film.origin, packet

  def _demuxed(self, heard: list[av.AudioStream]) -> Iterator[av.Packet]:
    if not self._jumps:
      return self._source.container.demux(*heard)
    if len(heard) > 1:
      mistakes.note(
        f'{self._film.name}: only the first of {len(heard)} sounds is copied, '
        'as the clock of the file jumps.'
      )
    return packets.joined(self._source, [], heard=True)

  def until(self, seconds: float) -> None:
    """Writes all sound that begins before a time."""
    while self._next is not None and self._next[0] < seconds:
      packet = self._next[1]
      track = self._tracks[packet.stream.index]
      with decode.blaming(self._film.name):
        new = track.packets(packet)
      self._out.mux(new)
      self._next = next(self._packets, None)

  def finish(self) -> None:
    """Writes all sound that is left."""
    self.until(float('inf'))
    for track in self._tracks.values():
      self._out.mux(track.rest())


def _origin(film: decode.Video, source: streams.Stream) -> float:
  """Returns the second of timestamps of sound at which a film begins.

  Where a container dates pictures by decoding, the clock leaves out the
  decoder's delay, which sound has not.
  """
  if source.undated:
    return (source.container.start_time or 0) / av.time_base
  return film.origin


def _layout(stream: av.AudioStream) -> av.AudioLayout:
  """Returns the layout of channels, the usual one where a file names none."""
  layout = stream.codec_context.layout
  count = layout.nb_channels
  if layout.name.endswith('channels') and count <= len(_LAYOUTS):
    return av.AudioLayout(_LAYOUTS[count - 1])
  return layout


def _nearest(rate: int, rates: tuple[int, ...]) -> int:
  """Returns the lowest of the rates that loses nothing, or the highest."""
  return min((r for r in rates if r >= rate), default=rates[-1])
