"""SlowFast's csv: `path label`, or `path,label`, without a header.

Documented at
https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/DATASET.md.

`DATA.PATH_LABEL_SEPARATOR` is a blank or a comma; both are read. Labels count
from 0. Its boxes are AVA's: see `vidpetl.data.importers.ava`.
"""

from __future__ import annotations

from vidpetl.data.importers import lists


def _labels(path: str, numbers: list[int]) -> list[int]:
  if len(numbers) != 1 or numbers[0] < 0:
    raise ValueError(f'numbers {numbers} behind the path')
  return numbers


FORMAT = lists.format_of(
  title="SlowFast's csv of videos",
  suffixes=('.csv',),
  labels=_labels,
  fits=lambda path, numbers: len(numbers) == 1,
  expected='path label, or path,label',
)
