"""How long the examples of a source are, by a few of them."""

from __future__ import annotations

import numpy as np

from vidpetl.data import decode, examples, frames, kinds

# Files that are opened, evenly spread.
COUNT = 24


def of(source: examples.Source, count: int = COUNT) -> dict[str, float] | None:
  """Returns 'median' and 'longest' of the examples' lengths in seconds.

  Args:
    source: of any kind; those whose examples are moments have no length.
    count: of files that are opened; what cannot be opened is passed over.

  Returns:
    None if nothing is known.
  """
  chosen = np.linspace(0, len(source) - 1, min(count, len(source)))
  lengths = [
    length
    for i in np.unique(chosen.round().astype(int)).tolist()
    if (length := _length(source, i)) is not None
  ]
  if not lengths:
    return None
  return {'median': float(np.median(lengths)), 'longest': float(max(lengths))}


def _length(source: examples.Source, i: int) -> float | None:
  try:
    with frames.open_video(source.video(i), '', source.info.fps) as opened:
      duration = opened.duration
  except (decode.DecodeError, OSError):
    return None
  extent = kinds.load(source.info.kind).extent(source[i], duration)
  if extent.moment is not None or extent.end <= extent.begin:
    return None
  return extent.end - extent.begin
