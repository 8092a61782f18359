"""Making arrays of one model start another: strict, and resized by rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from vidpetl.weights import positions
from vidpetl.weights import report as report_lib

Arrays = dict[str, np.ndarray]
Size = tuple[int, ...]

INFLATE = ('central', 'average')

# Linear embeddings of tubelets, [t, h, w, c, d].
EMBEDDINGS = ('embedding/kernel', 'patch_embed/proj/kernel')


@dataclasses.dataclass(frozen=True)
class Geometry:
  """What tables of positions are for.

  Attributes:
    grid: (t, h, w) of the tokens, () if that is not known.
    window: (t, h, w) of windows, () if there are none or it is not known.
    rule: how they are resized, one of `positions.RULES`; that of the arrays
      counts.
  """

  grid: Size = ()
  window: Size = ()
  rule: str = 'linear'


def fit(
  have: Mapping[str, np.ndarray],
  want: Mapping[str, Size],
  old: Geometry,
  new: Geometry,
  report: report_lib.Report,
  *,
  skip: Sequence[str] = (),
  keep: Sequence[str] = (),
  fresh: Sequence[str] = (),
  inflate: str = '',
) -> Arrays:
  """Returns what a model takes over, and reports what becomes of the rest.

  Args:
    have: arrays by name.
    want: names and shapes of the model.
    old: what the tables of `have` are for.
    new: what those of the model are for.
    report: gets a row for each name; see its `wrong`.
    skip: regexes of names that stay as they are, wherever they are; running
      statistics are named by their layer's path.
    keep: how names begin that are taken all the same.
    fresh: how names begin that `have` is known to have nothing for.
    inflate: how filters of images become those of clips: 'central', in the
      middle of zeros (Arnab et al. 2021), or 'average', repeated and divided.

  Returns:
    Arrays of the model's shapes, less those which the report calls wrong.
  """
  taken = {}
  for name in sorted(set(have) | set(want)):
    row = {'ours': name}
    if name in have:
      row['before'] = have[name].shape
    if name in want:
      row['after'] = want[name]
    if is_skipped(name, skip, keep):
      report.add('new' if name in want else 'left out', **row, note='skip')
    elif name not in have and name.startswith(tuple(fresh)):
      report.add('new', **row, note='not among what was published')
    elif name not in have:
      report.add('missing', **row)
    elif name not in want:
      report.add('unexpected', **row)
    else:
      try:
        taken[name], note = _one(
          name, have[name], want[name], old, new, inflate
        )
        report.add('resized' if note else 'matched', **row, note=note)
      except ValueError as error:
        report.add('wrong', **row, note=str(error))
  return taken


def is_skipped(
  name: str, skip: Sequence[str], keep: Sequence[str] = ()
) -> bool:
  """Returns whether an array stays as it is drawn, or is left out.

  Statistics are named as the parameters beside them: '^heads_' is of all that a
  head has.

  Args:
    name: of the array.
    skip: regexes of names.
    keep: how names begin that are not skipped.
  """
  spellings = (name, name.removeprefix('batch_stats/'))
  if spellings[1].startswith(tuple(keep)):
    return False
  return any(re.search(regex, each) for regex in skip for each in spellings)


def _one(name, array, shape, old, new, inflate) -> tuple[np.ndarray, str]:
  """Returns an array of that shape, and how it came to be ('': as it was)."""
  note = ''
  if positions.is_table(name) and (old.grid or array.shape != shape):
    array, note = _table(name, array, shape, old, new.grid)
  elif positions.is_relative(name) and array.shape != shape:
    array, note = _relative(array, old, new.window)
  elif positions.is_offsets(name) and array.shape != shape:
    note = f'{len(array)} to {shape[0]} offsets, linear'
    array = positions.resize_offsets(array, shape[0])
  elif name.endswith(EMBEDDINGS) and (1, *shape[1:]) == array.shape != shape:
    array, note = _inflated(array, shape, inflate)
  if array.shape != shape:
    raise ValueError(f'of the shape {array.shape}, not {shape}')
  return array, note


def _table(name, array, shape, old, new):
  if not old.grid:
    raise ValueError(
      'a table of positions: config.init.grid must be (t, h, w) of the tokens '
      'that it was trained with'
    )
  before, after = (positions.axes(name, grid) for grid in (old.grid, new))
  lead = [
    size - int(np.prod(grid))
    for size, grid in ((array.shape[1], before), (shape[1], after))
  ]
  if lead[0] not in (0, 1):
    raise ValueError(
      f'{array.shape[1]} positions are not those of {_by(before)} tokens; '
      'config.init.grid must be (t, h, w) of the tokens that it was trained '
      'with'
    )
  note = []
  if before != after:
    note.append(f'{_by(before)} to {_by(after)} tokens, {old.rule}')
  if lead == [1, 0]:
    array = array[:, 1:]
    note.append("without the class token's")
  elif lead[0] != lead[1]:
    raise ValueError(f'{lead[0]} class tokens for {lead[1]}')
  cls = min(lead)
  array = positions.resize(array, before, after, cls=cls, rule=old.rule)
  return array, ', '.join(note)


def _relative(array, old, new):
  if not old.window:
    raise ValueError(
      'a table of relative positions: config.init.window must be (t, h, w) of '
      'the windows that it was trained with'
    )
  array = positions.resize_relative(array, old.window, new, old.rule)
  return array, f'windows of {_by(old.window)} to {_by(new)}, {old.rule}'


def _inflated(array, shape, inflate):
  frames = shape[0]
  if inflate not in INFLATE:
    raise ValueError(
      f'filters of 1 frame for {frames}: config.init.inflate must be one of '
      f'{", ".join(INFLATE)}'
    )
  if inflate == 'average':
    return np.repeat(array / frames, frames, 0).astype(array.dtype), inflate
  central = np.zeros(shape, array.dtype)
  central[frames // 2] = array[0]
  return central, inflate


def _by(sizes: Size) -> str:
  return 'x'.join(map(str, sizes))
