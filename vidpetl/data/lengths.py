"""How long the examples of a source are, by a few of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpetl.data import decode, examples, frames, kinds
from vidpetl.data.survey import cache as cache_lib
from vidpetl.data.survey import record as record_lib

# Files that are opened, evenly spread.
COUNT = 24


def of(
  source: examples.Source,
  count: int = COUNT,
  known: cache_lib.Cache | None = None,
) -> dict[str, float] | None:
  """Returns 'median' and 'longest' of the examples' lengths in seconds.

  Args:
    source: of any kind; those whose examples are moments have no length.
    count: of files that are opened; what cannot be opened is passed over.
    known: records of files, which are then not opened again.

  Returns:
    None if nothing is known.
  """
  chosen = np.linspace(0, len(source) - 1, min(count, len(source)))
  rows = np.unique(chosen.round().astype(int)).tolist()
  videos = {i: source.video(i) for i in rows}
  durations = _recorded(videos, known) if known else {}
  lengths = [
    length
    for i, video in videos.items()
    if (length := _length(source, i, video, durations.get(i))) is not None
  ]
  if not lengths:
    return None
  return {'median': float(np.median(lengths)), 'longest': float(max(lengths))}


def _recorded(
  videos: Mapping[int, str | bytes], known: cache_lib.Cache
) -> dict[int, float]:
  """Returns the durations of those files of which there are records.

  A folder of frames is as long as its source says.
  """
  files = {i: v for i, v in videos.items() if isinstance(v, str)}
  paths = list(dict.fromkeys(files.values()))
  records = known.get(paths, [cache_lib.stamp(path) for path in paths])
  return {
    i: records[path].duration
    for i, path in files.items()
    if path in records
    and records[path].readable
    and records[path].container != record_lib.FRAMES
  }


def _length(
  source: examples.Source,
  i: int,
  video: str | bytes,
  duration: float | None,
) -> float | None:
  if duration is None:
    try:
      with frames.open_video(video, '', source.info.fps) as opened:
        duration = opened.duration
    except (decode.DecodeError, OSError):
      return None
  extent = kinds.load(source.info.kind).extent(source[i], duration)
  if extent.moment is not None or extent.end <= extent.begin:
    return None
  return extent.end - extent.begin
