"""From a published file to our arrays; or an error that says what differs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import einops
import ml_dtypes
import numpy as np

from vidpetl.weights import beside, files, fit, positions, rules
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights import settings as settings_lib
from vidpetl.weights.errors import WeightsError

Arrays = dict[str, np.ndarray]

_HALF = (np.float16, ml_dtypes.bfloat16)
_FLOATS = (*_HALF, np.float32)


@dataclasses.dataclass
class Imported:
  """A file under our names.

  Attributes:
    arrays: by the names of `petl.variables`, in the file's float type.
    layout: the backbone that they are for.
    report: what became of every array.
    pixels: mean and standard deviation of pixels in [0, 1].
    notes: what no array shows, and what is taken.
    labels: what the outputs of its head mean, where the file or one beside it
      says so.
  """

  arrays: Arrays
  layout: family_lib.Layout
  report: report_lib.Report
  pixels: tuple[Any, Any]
  notes: list[str]
  labels: Mapping[int, str] = dataclasses.field(default_factory=dict)


def load(
  name: str,
  path: str,
  *,
  target: str = '',
  head: str = '',
  entry: str = '',
  grid: Sequence[int] = (),
  allow: Sequence[str] = (),
  settings: Mapping[str, Any] | None = None,
) -> Imported:
  """Reads a published file.

  Args:
    name: of the family.
    path: of the file.
    target: module of the backbone that it is for, the family's first if ''.
    head: task whose head its classifier becomes; '' leaves it out.
    entry: 'a/b' of where the weights lie in the file, if not where the
      family's usually do (an EMA's, say).
    grid: (t, h, w) of the tokens that its tables of positions are for, if that
      is not what the family says, or cannot say.
    allow: regexes of their names that may be missing or unexpected.
    settings: what no array shows; see `settings`.

  Raises:
    WeightsError: if the file cannot be read, is another family's, or differs
      from it in what `allow` does not name.
  """
  family = family_lib.load(name)
  if target and target not in family.rules:
    raise WeightsError(
      f'{name} weights are for the backbone {" or ".join(family.rules)}, not '
      f'for {target}'
    )
  target = target or next(iter(family.rules))
  report = report_lib.Report(f'{path} as {name}')
  tree = files.read(path)
  near = beside.read(path, family)
  told = {**near.settings, **(settings or {})}
  found = _arrays(tree, family, entry, path, report)
  _check(path, family, found)
  fields = family.fields(set(found))
  wanted, optional = _choose(family, target, head, found)
  _refuse_others(tree, path, name, found, wanted)
  arrays = _map(family, wanted, found, report, allow, told)
  _leave_out(family, optional, found, report, allow)
  if report.wrong:
    raise WeightsError(
      f'{report.short()}\nNothing was written. Name what is meant to differ '
      f'with --allow=<regex of the name>.{_likely(tree, path, name)}'
    )
  arrays = family.finish(arrays)
  shapes = {k: v.shape for k, v in arrays.items()}
  layout = family.layout(shapes, target)
  near.check(
    path,
    layout.backbone,
    {n: s[1] for n, s in shapes.items() if positions.is_table(n)},
    {**(settings or {}), **({'grid': grid} if grid else {})},
  )
  report.notes += near.notes
  layout = _for_grid(path, layout, shapes, grid or told.get('grid', ()))
  backbone, notes = settings_lib.settle(
    family.unshown, {**layout.backbone, **fields}, told, bool(head)
  )
  layout = dataclasses.replace(layout, backbone=backbone)
  mean, std = family.normalisation
  pixels = told.get('mean', mean), told.get('std', std)
  labels = near.labels if head else {}
  return Imported(
    full_names(arrays, head), layout, report, pixels, notes, labels
  )


def _for_grid(path, layout, shapes, grid) -> family_lib.Layout:
  """Returns a layout whose clips have that grid of tokens, if one is given."""
  if not grid and layout.video:
    return layout
  if not grid:
    tables = {n: s[1] for n, s in shapes.items() if positions.is_table(n)}
    raise WeightsError(
      f'{path} does not say what grid of tokens its positions are for: {tables}'
      '. --grid=t,h,w (config.init.grid) says it'
    )
  if len(grid) != 3:
    raise WeightsError(f'a grid is (t, h, w), and not {tuple(grid)}')
  kernels = [s for n, s in shapes.items() if n.endswith(fit.EMBEDDINGS)]
  if not kernels:
    raise WeightsError(
      f'{path} has no tokens, so no grid {tuple(grid)} of them'
    )
  video = tuple(size * part for size, part in zip(grid, kernels[0]))
  return dataclasses.replace(layout, video=video)


def full_names(arrays: Arrays, head: str) -> Arrays:
  """Returns arrays under a whole model's names; see `petl.variables`."""

  def name(path: str) -> str:
    if path.startswith('batch_stats/'):
      return path.replace('batch_stats/', 'batch_stats/backbone/', 1)
    if path.startswith('head/'):
      return path.replace('head/', f'heads_{head}/', 1)
    return f'backbone/{path}'

  return {name(path): array for path, array in arrays.items()}


def _arrays(tree, family, entry, path, report) -> Arrays:
  """Returns a file's arrays by the family's names."""
  flat = _flatten(_select(tree, family, entry, path, report))
  return _rename(flat, family, report)


def _select(tree, family, entry, path, report) -> Mapping[str, Any]:
  """Returns what holds the weights, and notes what else there is."""
  chosen = [entry] if entry else [*family.containers, '']
  for place in chosen:
    inside = _at(tree, place)
    if isinstance(inside, Mapping) and inside:
      break
  else:
    keys = list(tree) if isinstance(tree, Mapping) else type(tree).__name__
    raise WeightsError(f'{path} has no {entry!r} with weights; it has {keys}')
  if place:
    others = [k for k in tree if k != place.split('/')[0]]
    report.notes.append(
      f'weights of {place!r}' + (f'; not read: {others}' if others else '')
    )
    averaged = [k for k in others if 'ema' in k.lower()]
    if averaged and not entry:
      report.notes.append(
        f'there are averaged weights as well: --entry={averaged[0]} takes them'
      )
  return inside


def _at(tree: Any, place: str) -> Any:
  for key in filter(None, place.split('/')):
    tree = tree.get(key) if isinstance(tree, Mapping) else None
  return tree


def _flatten(tree: Any, prefix: str = '') -> Arrays:
  """Returns arrays by names; other values are no weights."""
  flat = {}
  for key, value in tree.items():
    name = f'{prefix}{key}'
    inside = {}
    if isinstance(value, Mapping):
      # Names of PyTorch hold dots already; those of Flax are paths.
      inside = _flatten(value, f'{name}/')
    elif isinstance(value, np.ndarray) or np.isscalar(value):
      inside = {name: np.asarray(value)}
    if twice := flat.keys() & inside.keys():
      raise WeightsError(f'two arrays are called {min(twice)!r}')
    flat |= inside
  return flat


def _rename(found: Arrays, family, report) -> Arrays:
  """Takes prefixes off, and brings other versions' names to the usual ones."""
  for prefix in family.prefixes:
    with_it = [name for name in found if name.startswith(prefix)]
    if with_it:
      report.notes.append(f'{prefix!r} taken off {len(with_it)} names')
      found = _unique(
        {name: name.removeprefix(prefix) for name in found}, found
      )
  for pattern, replacement in family.rename:
    found = _unique(
      {name: re.sub(pattern, replacement, name) for name in found}, found
    )
  return found


def _unique(new: Mapping[str, str], found: Arrays) -> Arrays:
  renamed = {}
  for name, array in found.items():
    if new[name] in renamed:
      raise WeightsError(
        f'two arrays would be called {new[name]!r}, one of them {name!r}; '
        '--entry names the part of the file to take'
      )
    renamed[new[name]] = array
  return renamed


def _check(path, family, found) -> None:
  try:
    family.check({name: array.shape for name, array in found.items()})
  except WeightsError as error:
    raise WeightsError(f'{path}: {error}') from None


def _choose(family, target, head, found):
  """Returns the rules that fit the file best, and those not asked for."""
  names = set(found)
  sets = [rules.expand(each, names) for each in family.rules[target]]

  def misfit(each):
    theirs = {r.theirs for r in each}
    return len(theirs - names) + len(names - theirs)

  wanted = min(sets, key=misfit)
  classifier = rules.prefixed(family.head, 'head/')
  return (wanted + classifier, []) if head else (wanted, classifier)


def _refuse_others(tree, path, name, found, wanted) -> None:
  """Raises if hardly anything of the file is this family's."""
  theirs = {r.theirs for r in wanted}
  if len(theirs & set(found)) * 2 >= len(theirs):
    return
  raise WeightsError(
    f'{path} is not of the family {name}: of its {len(theirs)} names '
    f'the file has {len(theirs & set(found))}. The file has '
    f'{len(found)} arrays, such as {sorted(found)[:4]}.'
    + _likely(tree, path, name)
  )


def _likely(tree, path, name) -> str:
  """Returns a sentence with the families that fit a file better, or ''."""
  shares = {other: _share(tree, path, other) for other in family_lib.names()}
  better = [f for f, s in shares.items() if s > max(0.8, shares[name])]
  return f' It looks like {" or ".join(better)}.' if better else ''


def _share(tree, path, name) -> float:
  """Returns how many of a family's names a file has, of all of them."""
  family = family_lib.load(name)
  try:
    found = set(_arrays(tree, family, '', path, report_lib.Report('')))
  except WeightsError:
    return 0.0
  sets = [
    {r.theirs for r in _choose(family, target, '', found)[0]}
    for target in family.rules
  ]
  return max(len(own & found) / max(len(own), 1) for own in sets)


def _map(family, wanted, found, report, allow, told) -> Arrays:
  """Returns our arrays; `found` keeps what no rule takes."""
  theirs = {each.theirs for each in wanted}
  shapes = {k: v.shape for k, v in found.items() if k in theirs}
  axes = family.axes(shapes, told)
  arrays = {}
  for each in wanted:
    ours = ', '.join(each.ours)
    array = found.pop(each.theirs, None)
    if array is None:
      status = 'new' if _named(each.theirs, allow) else 'missing'
      report.add(status, theirs=each.theirs, ours=ours)
      continue
    row = {'theirs': each.theirs, 'ours': ours, 'before': array.shape}
    array, note = _as_floats(array)
    problem = '' if np.isfinite(array).all() else 'not all of it is finite'
    try:
      new = each.to_ours(array, axes)
    except einops.EinopsError as error:
      problem = str(error).strip().split('\n')[-1]
    if problem:
      report.add('wrong', **row, note=problem)
      continue
    arrays |= new
    after = next(iter(new.values())).shape
    status = 'matched' if after == array.shape else 'reshaped'
    report.add(status, **row, after=after, note=note)
  return arrays


def _as_floats(array: np.ndarray) -> tuple[np.ndarray, str]:
  if array.dtype in _HALF:
    return array, f'{array.dtype}, as it is'
  if array.dtype not in _FLOATS:
    return array.astype(np.float32), f'{array.dtype} to float32'
  return array, ''


def _leave_out(family, optional, found, report, allow) -> None:
  """Reports what no rule has taken."""
  classifier = {r.theirs for r in optional}
  for name, array in found.items():
    reasons = [why for p, why in family.left_out.items() if re.search(p, name)]
    if name in classifier:
      reasons = ['the classifier; --head=<task> takes it']
    if not reasons and _named(name, allow):
      reasons = ['as --allow says']
    report.add(
      'left out' if reasons else 'unexpected',
      theirs=name,
      before=array.shape,
      note=reasons[0] if reasons else '',
    )


def _named(name: str, allow: Sequence[str]) -> bool:
  return any(re.search(pattern, name) for pattern in allow)
