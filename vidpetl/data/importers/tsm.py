"""TSM's (and TSN's) lists of frames: `folder total_frames label`.

Documented at https://github.com/mit-han-lab/temporal-shift-module (Data
Preparation, and tools/).

Labels count from 0. category.txt beside the lists has a name on each line.
"""

from __future__ import annotations

from vidpetl.data.importers import lists
from vidpetl.data.sources import videos


def _labels(path: str, numbers: list[int]) -> list[int]:
  if len(numbers) != 2 or min(numbers) < 0:
    raise ValueError(f'numbers {numbers} behind the folder')
  return numbers[1:]


FORMAT = lists.format_of(
  title="TSM's lists of folders of frames",
  suffixes=('.txt',),
  labels=_labels,
  fits=lambda path, numbers: len(numbers) == 2 and not videos.is_video(path),
  expected='folder total_frames label',
)
