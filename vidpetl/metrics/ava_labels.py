"""Which of AVA's classes are frequent or rare, and of which type they are."""

from __future__ import annotations

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

# The label map of all 80 classes gives each one of three types.
TYPES = {
  'person movement': tuple(range(1, 15)),
  'object manipulation': tuple(range(15, 64)),
  'person interaction': tuple(range(64, 81)),
}


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


def types(class_ids: Iterable[int]) -> dict[str, tuple[int, ...]]:
  """Returns the evaluated classes of each type; empty as `groups` is."""
  evaluated = {i for ids in groups(class_ids).values() for i in ids}
  found = {
    name: tuple(i for i in ids if i in evaluated) for name, ids in TYPES.items()
  }
  return found if evaluated else {}
