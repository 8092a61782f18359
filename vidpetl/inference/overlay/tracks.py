"""One sound of a film in a new file: as it is, or encoded anew."""

from __future__ import annotations

import contextlib
import fractions

import av

from vidpetl import mistakes
from vidpetl.inference.overlay import containers

# Bits per second and channel of sound that is encoded anew.
_BIT_RATE = 96_000
# Seconds without sound, or with sound twice, that are mended.
_GAP = 0.01
# Of files that say how many channels there are, and not which.
_LAYOUTS = ('mono', 'stereo', '2.1', '4.0', '5.0', '5.1', '6.1', '7.1')


class Track:
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


class _Copied(Track):
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


class _Encoded(Track):
  """Sound of a codec that the new file does not hold."""

  def __init__(self, stream: av.AudioStream, origin: float, name: str):
    super().__init__(stream, origin)
    self._name = name
    self._graph, self._of = None, None

  def packets(self, packet: av.Packet) -> list[av.Packet]:
    try:
      frames = packet.decode()
    except av.FFmpegError:
      mistakes.note(f'{self._name}: damaged sound is left out of the copy.')
      return []
    found = []
    for frame in frames:
      if frame.pts is not None:
        frame.pts -= self._ticks(frame.time_base)
      kind = frame.format.name, frame.layout.name, frame.sample_rate
      if kind != self._of:
        found += self._drained()
        self._graph, self._of = self._filling(frame), kind
      self._graph.push(frame)
      found += self._pulled()
    return found

  def rest(self) -> list[av.Packet]:
    return self._drained() + self.stream.encode(None)

  def _filling(self, frame: av.AudioFrame) -> av.filter.Graph:
    """Returns a filter that puts silence where a film has no sound.

    An encoder would take what follows a gap as its continuation.
    """
    graph = av.filter.Graph()
    source = graph.add_abuffer(
      sample_rate=frame.sample_rate,
      format=frame.format.name,
      layout=frame.layout.name,
      time_base=frame.time_base,
    )
    context = self.stream.codec_context
    wanted = (
      f'osr={context.sample_rate}:osf={context.format.name}:'
      f'ochl={context.layout.name}:async=1:min_hard_comp={_GAP}'
    )
    filling = graph.add('aresample', wanted)
    graph.link_nodes(source, filling, graph.add('abuffersink')).configure()
    return graph

  def _pulled(self) -> list[av.Packet]:
    """Returns what the encoder makes of that which the filter has ready."""
    found = []
    with contextlib.suppress(BlockingIOError, EOFError):
      while True:
        found += self.stream.encode(self._graph.pull())
    return found

  def _drained(self) -> list[av.Packet]:
    """Returns what the filter holds back, behind which nothing comes."""
    if self._graph is None:
      return []
    self._graph.push(None)
    return self._pulled()


def add(
  out: av.container.OutputContainer,
  stream: av.AudioStream,
  container: containers.Container,
  origin: float,
  name: str,
) -> Track:
  """Adds a stream to a new file for a sound of a film.

  Args:
    out: the new file, to which nothing was written yet.
    stream: of the film.
    container: what the new file is.
    origin: second of the film's timestamps at which it begins.
    name: of the film, in notes.
  """
  held = out.supported_codecs if container.held is None else container.held
  if stream.codec_context.codec.canonical_name in held:
    return _Copied(out.add_stream_from_template(stream), origin)
  layout = _layout(stream)
  new = out.add_stream(
    container.sound,
    rate=_nearest(stream.codec_context.sample_rate, container.rates),
    layout=layout,
  )
  new.bit_rate = _BIT_RATE * layout.nb_channels
  return _Encoded(new, origin, name)


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
