"""AVA's label map, and which of its classes are frequent and which are rare."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

# Table 9 of "Beyond Transfer Learning: Co-finetuning for Action Localisation"
# counts the training labels of the 60 evaluated classes: more than 10,000 is
# head, fewer than 1,000 is tail.
HEAD = (11, 12, 14, 17, 59, 74, 79, 80)
# fmt: off
MID = (1, 3, 4, 6, 8, 9, 10, 15, 27, 28, 29, 38, 41, 48, 49, 54, 61, 64, 65,
       66, 67, 70, 77)
TAIL = (5, 7, 13, 20, 22, 24, 26, 30, 34, 36, 37, 43, 45, 46, 47, 51, 52, 56,
        57, 58, 60, 62, 63, 68, 69, 72, 73, 76, 78)
# fmt: on
GROUPS = {'head': HEAD, 'mid': MID, 'tail': TAIL}

_ENTRY = re.compile(r'\{([^{}]*)\}')
_NAME = re.compile(r'\bname:\s*"([^"]*)"')
_ID = re.compile(r'\b(?:label_)?id:\s*(\d+)')


def read_label_map(path: str | os.PathLike[str]) -> dict[int, str]:
  """Reads the classes of a label map in protobuf text, as AVA publishes it.

  Both of AVA's forms are read: `item {name: "…" id: 1}` of v2.2 and
  `label {name: "…" label_id: 1 label_type: …}` of v2.1.

  Args:
    path: of the `.pbtxt` file.

  Returns:
    Class id (from 1) to class name, in the file's order.

  Raises:
    ValueError: an entry lacks a name or an id, an id repeats or is below 1, or
      there is no entry at all.
  """
  with open(path, encoding='utf-8') as f:
    text = f.read()
  classes: dict[int, str] = {}
  for entry in _ENTRY.finditer(text):
    line = text.count('\n', 0, entry.start()) + 1
    name, number = _NAME.search(entry[1]), _ID.search(entry[1])
    if name is None or number is None:
      raise ValueError(f'{path}:{line}: an entry needs a name and an id.')
    class_id = int(number[1])
    if class_id < 1:
      raise ValueError(f'{path}:{line}: class ids begin at 1, not {class_id}.')
    if class_id in classes:
      raise ValueError(
        f'{path}:{line}: class id {class_id} is already '
        f'"{classes[class_id]}"; ids must be unique.'
      )
    classes[class_id] = name[1]
  if not classes:
    raise ValueError(
      f'{path}: no entries; expected a label map such as '
      'item { name: "stand" id: 12 }.'
    )
  return classes


def groups(class_ids: Iterable[int]) -> dict[str, tuple[int, ...]]:
  """Returns the head, mid and tail classes of AVA.

  Args:
    class_ids: of a label map.

  Returns:
    Group name to class ids; empty if the ids are not the 60 that AVA
    evaluates, because the split says nothing of other label maps.
  """
  evaluated = set(HEAD) | set(MID) | set(TAIL)
  return dict(GROUPS) if set(class_ids) == evaluated else {}
