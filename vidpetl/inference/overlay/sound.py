"""The sound of a film, copied beside new pictures.

Packets are copied as they are where the new file holds their codec, and are
encoded anew elsewhere. Their times are those of the film's own clock, so that
sound that begins before or after the pictures does so still.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import av

from vidpetl import mistakes
from vidpetl.data import decode, packets, streams
from vidpetl.inference.overlay import containers, tracks


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
    heard = self._known()
    origin = _origin(film, self._source)
    self._tracks = {
      stream.index: tracks.add(out, stream, container, origin, film.name)
      for stream in heard
    }
    self._jumps = self._source.discontinuous and not film.clock.steady
    self._packets = self._read(heard)
    self._next = next(self._packets, None)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self._source.close()

  def _known(self) -> list[av.AudioStream]:
    """Returns the sounds that FFmpeg knows."""
    sounds = self._source.container.streams.audio
    known = [stream for stream in sounds if stream.codec_context]
    if len(known) < len(sounds):
      mistakes.note(
        f'{self._film.name}: sound of a codec that FFmpeg does not know is '
        'left out of the copy.'
      )
    return known

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
