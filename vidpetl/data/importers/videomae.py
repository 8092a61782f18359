"""VideoMAE's csv: `path label`; of frames `folder [start] total_frames label`.

Documented at https://github.com/MCG-NJU/VideoMAE/blob/main/DATASET.md and, with
the start, at https://github.com/OpenGVLab/VideoMAEv2/blob/master/docs/DATASET.md.

Labels count from 0. The list of pretraining, `path 0 -1`, has none; its videos
have no label here either. The first frame of a folder is not taken over.
"""

from __future__ import annotations

from vidpetl.data.importers import lists
from vidpetl.data.sources import videos


def _labels(path: str, numbers: list[int]) -> list[int]:
  if not 1 <= len(numbers) <= 3:
    raise ValueError(f'numbers {numbers} behind the path')
  if numbers[-1] < 0:
    return []
  if len(numbers) > 1 and videos.is_video(path) and min(numbers[:-1]) > 0:
    raise ValueError(f'numbers {numbers} behind a video')
  return numbers[-1:]


FORMAT = lists.format_of(
  title="VideoMAE's csv of videos or folders of frames",
  suffixes=('.csv',),
  labels=_labels,
  # One number is also SlowFast's, and means the same there.
  fits=lambda path, numbers: len(numbers) in (2, 3),
  expected='path label, or folder start total_frames label',
)
