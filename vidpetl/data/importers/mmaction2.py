"""mmaction2's lists: `path label`, or of frames `folder total_frames label`.

Documented at https://mmaction2.readthedocs.io/en/latest/user_guides/prepare_dataset.html.

Labels count from 0. With several labels they stand behind each other, `path 3
17`. A path that ends as a video does has no number of frames. For its boxes,
which are AVA's, see `vidpetl.data.importers.ava`.
"""

from __future__ import annotations

from vidpetl.data.importers import lists
from vidpetl.data.sources import videos

_EXPECTED = 'path label …, or folder total_frames label …'


def _labels(path: str, numbers: list[int]) -> list[int]:
  found = numbers if videos.is_video(path) or len(numbers) == 1 else numbers[1:]
  if not found:
    raise ValueError('no label')
  if min(found) < 0:
    raise ValueError(f'label {min(found)}')
  return found


FORMAT = lists.format_of(
  title="mmaction2's lists of videos or folders of frames",
  suffixes=('.txt', '.list'),
  labels=_labels,
  # Two numbers behind a folder are also TSM's, and mean the same there.
  fits=lambda path, numbers: videos.is_video(path) or len(numbers) != 2,
  expected=_EXPECTED,
)
