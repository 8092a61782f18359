"""A stranger's file, looked at before anything of it is decoded.

What the container claims is checked against the bounds; its packets, which are
at least its frames, are counted without being decoded.
"""

from __future__ import annotations

import av
from av.container import InputContainer

from vidpetl.data import decode, faults, frames, streams
from vidpetl.serving.limits import Limits, Refusal

# Containers that hold a film themselves. Playlists and scripts of FFmpeg name
# other files and addresses, and would have them opened.
_CONTAINERS = (
  *('mov', 'mp4', 'matroska', 'webm', 'avi', 'mpegts', 'mpeg', 'flv', 'ogg'),
  *('asf', 'nut', 'gif', 'mxf', 'dv', 'ivf', 'yuv4mpegpipe'),
)


def check(path: str, label: str, fps: float | None, limits: Limits) -> float:
  """Returns the effort of a film that is within the bounds; see `Limits`.

  Args:
    path: the file.
    label: what its owner calls it.
    fps: see `frames.open_video`.
    limits: of the server.

  Raises:
    Refusal: if it is beyond them, or no film.
  """
  try:
    with faults.blaming(label):
      pixels = _checked(path, limits)
      with frames.open_video(path, label, fps) as film:
        duration = float(film.duration)
  except decode.DecodeError as error:
    raise unreadable(error) from None
  limits.check_length(duration)
  return limits.effort(duration, pixels)


def unreadable(error: decode.DecodeError) -> Refusal:
  """Returns what refuses a file that cannot be read as a film."""
  if isinstance(error.__cause__, Refusal):
    return error.__cause__
  return Refusal(
    422,
    f'This file cannot be read as a film: {error.reason}. Send a video file '
    'that plays, such as .mp4, .mov, .mkv, .webm or .avi.',
  )


def _checked(path: str, limits: Limits) -> int:
  """Checks what a container claims, and returns the pixels of its frames."""
  with _opened(path) as container:
    if container.duration:
      limits.check_length(container.duration / av.time_base)
    films = [s for s in container.streams.video if s.codec_context]
    for stream in films:
      limits.check_size(stream.height, stream.width)
    return _pixels(container, films, limits) if films else 0


def _opened(path: str) -> InputContainer:
  options = {'format_whitelist': ','.join(_CONTAINERS)}
  try:
    return av.open(path, options=options, metadata_errors='replace')
  except av.InvalidDataError:
    with open(path, 'rb') as file:
      reason = faults.instead(file.read(streams.stand_ins.HEAD))
    if reason:
      raise faults.Refused(reason) from None
    raise
  except av.ArgumentError:
    raise faults.Refused('it is none of the containers of films') from None


def _pixels(container: InputContainer, films: list, limits: Limits) -> int:
  """Returns the pixels of all frames, refusing more than are decoded."""
  counts = dict.fromkeys((stream.index for stream in films), 0)
  pixels = 0
  for packet in container.demux(films):
    stream = packet.stream
    counts[stream.index] += 1
    limits.check_size(stream.height, stream.width, counts[stream.index])
    pixels += stream.height * stream.width
  return pixels
