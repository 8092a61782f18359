"""What the outputs of a head mean: its labels travel with it.

Files of `vidpetl.convert`, packages and checkpoints hold the labels of their
heads. They are compared with those of the data before a head is taken over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from vidpetl.data import names
from vidpetl.data.importers import classes

Labels = Mapping[int, str]
Arrays = Mapping[str, np.ndarray]

# The layer of a head whose last axis is the classes.
_OUTPUT = '/output_projection/'
_SHOWN = 3


class OtherLabelsError(ValueError):
  """A head was trained for other classes than those of the data."""


@dataclasses.dataclass(frozen=True)
class Match:
  """How a head's outputs become those of a task.

  Attributes:
    order: output of the head for each class of the task; () if they are the
      same.
    note: what a user should know of it, '' for nothing.
  """

  order: tuple[int, ...] = ()
  note: str = ''


def to_json(labels: Labels) -> dict[str, str]:
  """Returns labels as json keeps them."""
  return {str(index): name for index, name in labels.items()}


def of_json(found: Mapping[str, str] | None) -> dict[int, str]:
  """Returns labels that json kept, {} for none."""
  return {int(index): name for index, name in (found or {}).items()}


def read(path: str, outputs: int) -> dict[int, str]:
  """Reads the labels of a head with so many outputs.

  Args:
    path: names of classes in any format of a label map, numbered from 0 or
      from 1, or in order.
    outputs: of the head.

  Raises:
    ValueError: naming the file, if it has not a name for each output.
  """
  found = classes.read(path)
  first = min(found)
  if sorted(found) != list(range(first, first + outputs)) or first > 1:
    raise ValueError(
      f'--labels={path} has {len(found)} names, numbered {first} to '
      f'{max(found)}; the head has {outputs} outputs.'
    )
  return {number - first: name for number, name in found.items()}


def outputs(arrays: Arrays, task: str) -> int:
  """Returns how many outputs the head of a task has, 0 if there is none."""
  layer = f'heads_{task}{_OUTPUT}'
  sizes = [a.shape[-1] for n, a in arrays.items() if n.startswith(layer)]
  return sizes[0] if sizes else 0


def compare(theirs: Labels, ours: Labels, task: str, source: str) -> Match:
  """Compares the labels of a head with those of a task's data.

  Names are the same that differ in case, blanks or underscores alone. Labels
  0, 1, 2, … of either side are no names, but the other side's indices.

  Args:
    theirs: of the head; {} if they are not known.
    ours: of the data; likewise.
    task: whose head it becomes.
    source: of the head, for what is said.

  Raises:
    OtherLabelsError: naming what differs.
  """
  where = f'config.tasks.{task}'
  if not ours:
    return Match()
  if not theirs:
    return Match(
      note=f'note: {source} does not say what the outputs of its head mean; '
      f'those of {where} are taken for them: {_some(ours)}{_gaps(ours)}'
    )
  mine, other = _spelled(ours), _spelled(theirs)
  if mine == other:
    return Match()
  if len(ours) == len(theirs) and (_numbered(ours) or _numbered(theirs)):
    return Match(
      note=f'note: classes of {where} are {_some(ours)}, and are taken for '
      f'those of {source} by their numbers: {_some(theirs)}'
    )
  if mine.keys() == other.keys() and set(mine.values()) == set(other.values()):
    index = {name: i for i, name in other.items()}
    if len(index) == len(other):
      return _reordered({i: index[n] for i, n in mine.items()}, where, source)
  raise OtherLabelsError(
    f'the head of {source} is not for the classes of {where}. '
    f'{_only(theirs, mine, "The head")}; {_only(ours, other, "the data")}.'
  )


def arrange(arrays: Arrays, task: str, order: tuple[int, ...]) -> dict:
  """Returns arrays with the outputs of a task's head in another order.

  Args:
    arrays: by name, of a whole model.
    task: whose head.
    order: of `Match`.
  """
  layer = f'heads_{task}{_OUTPUT}'
  return {
    name: array[..., list(order)] if order and name.startswith(layer) else array
    for name, array in arrays.items()
  }


def _reordered(index: Mapping[int, int], where: str, source: str) -> Match:
  order = tuple(index.get(i, i) for i in range(max(index) + 1))
  return Match(
    order,
    f'note: {source} has the classes of {where} in another order: the outputs '
    'of its head are put into that of the data',
  )


def _spelled(labels: Labels) -> dict[int, str]:
  return {
    index: names.clean(name).casefold().replace('_', ' ')
    for index, name in labels.items()
  }


def _numbered(labels: Labels) -> bool:
  """Returns whether labels are their own indices: '0', '1', … or '00', '01'."""
  return all(
    name.isdecimal() and int(name) == index for index, name in labels.items()
  )


def _gaps(labels: Labels) -> str:
  """Returns what to say of numbers that are not their own indices."""
  numbers = names.ordered(labels.values())
  if numbers != list(labels.values()) or _numbered(labels):
    return ''
  if not all(name.lstrip('-').isdecimal() for name in numbers):
    return ''
  return (
    f'; they are the numbers {numbers[0]} to {numbers[-1]}, which do not '
    'count from 0 without a gap: output 0 is not number 0'
  )


def _some(labels: Labels) -> str:
  shown = [f'{i} {name}' for i, name in sorted(labels.items())]
  more = len(shown) - _SHOWN
  return ', '.join(shown[:_SHOWN]) + (f' and {more} more' if more > 0 else '')


def _only(labels: Labels, other: Mapping[int, str], who: str) -> str:
  """Returns which labels one side alone has, or how the sides differ else."""
  spelled, known = _spelled(labels), set(other.values())
  own = {i: n for i, n in labels.items() if spelled[i] not in known}
  if not own:
    return f'{who} has {len(labels)} classes'
  return f'{who} alone has {_some(own)}'
