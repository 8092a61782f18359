"""From a published file to our arrays; or an error that says what differs."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.parameters import storage
from vidpetl.weights import (
  asking,
  beside,
  files,
  finder,
  fit,
  mapping,
  positions,
  ranking,
  strangers,
  tree,
)
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights import settings as settings_lib
from vidpetl.weights.errors import UnsaidError, WeightsError

Arrays = dict[str, np.ndarray]


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
    probe: of the task whose head it has, see `family.Family.probe`.
  """

  arrays: Arrays
  layout: family_lib.Layout
  report: report_lib.Report
  pixels: tuple[Any, Any]
  notes: list[str]
  labels: Mapping[int, str] = dataclasses.field(default_factory=dict)
  probe: Mapping[str, Any] = dataclasses.field(default_factory=dict)


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
  expected: Mapping[str, Any] | None = None,
  base: str = '',
) -> Imported:
  """Reads a published file.

  Args:
    name: of the family.
    path: of the file, or what else `files.read` takes.
    target: module of the backbone that it is for, the family's first if ''.
    head: task whose head its classifier becomes; '' leaves it out.
    entry: 'a/b' of where the weights lie in the file, or 'a/b.c' of a module
      there, if several fit, or others than the usual ones are meant (an
      EMA's, say).
    grid: (t, h, w) of the tokens that its tables of positions are for, if that
      is not what the family says, or cannot say.
    allow: regexes of their names that may be missing or unexpected.
    settings: what no array shows; see `settings`.
    expected: fields of the backbone that the arrays are to be for, where it is
      known: they say what nobody else does.
    base: converted file of what this one is without, '' if it is whole.

  Raises:
    WeightsError: if the file cannot be read, is another family's, or differs
      from it in what `allow` does not name.
  """
  family = family_lib.load(name)
  target = _target(name, family, target)
  report = report_lib.Report(f'{path} as {name}')
  leaves = tree.leaves(files.read(path))
  near = beside.read(path, family)
  told = {**near.settings, **(settings or {})}
  likely = lambda: ranking.likely(leaves, entry, name)
  with _naming(path, name, likely):
    net, notes = finder.find(leaves, family, target, entry)
    strangers.refuse(net.names)
    _require_head(family, net, head)
  if net.share < finder.LEAST:
    raise WeightsError(
      f'{path} is not of the family {name}: of its {len(net.wanted)} names the '
      f'file has {len(net.own)}. The file has {len(net.names)} arrays, such as '
      f'{sorted(net.names)[:4]}.{likely()}'
    )
  report.notes += [*notes, *near.notes]
  found = finder.arrays(leaves, net)
  with _naming(path, name, likely):
    told, unsaid = asking.answered(
      family, net, found, told, expected or {}, bool(head), report
    )
    arrays = mapping.to_ours(
      family, net, found, report, head=bool(head), allow=allow, told=told
    )
    valued = family.valued(arrays)
  _require_right(report, likely)
  arrays = _whole(family.finish(arrays), base, report)
  shapes = {k: v.shape for k, v in arrays.items()}
  with _naming(path, name, likely):
    layout = family.layout(shapes, target)
  own = {**(settings or {}), **({'grid': grid} if grid else {})}
  near.check(path, layout.backbone, positions.lengths(shapes), own)
  layout = _for_grid(path, layout, shapes, grid or told.get('grid', ()))
  by_name = family.fields(set(net.names.values()))
  shown = {**layout.backbone, **by_name, **valued}
  with _naming(path, name, likely):
    backbone, notes = _settled(family, shown, told, bool(head), unsaid)
  layout = dataclasses.replace(layout, backbone=backbone)
  pixels = _pixels(family, told)
  with _naming(path, name, likely):
    arrays, probe = family.probe(arrays, told)
  arrays = full_names(arrays, head)
  labels = near.labels if head else {}
  return Imported(arrays, layout, report, pixels, notes, labels, probe)


def _target(name: str, family: family_lib.Family, target: str) -> str:
  """Returns the backbone that is meant, the family's first if it is ''."""
  if target and target not in family.rules:
    raise WeightsError(
      f'{name} weights are for the backbone {" or ".join(family.rules)}, not '
      f'for {target}'
    )
  return target or next(iter(family.rules))


def _require_head(
  family: family_lib.Family, net: finder.Net, head: str
) -> None:
  """Raises WeightsError for a classifier that is none of a head here."""
  if family.alone and not head:
    raise WeightsError(
      'the family is of classifiers alone: --head=<task> says whose it becomes'
    )
  if family.alone or not head:
    return
  if not family.head:
    raise WeightsError(
      'the family has no classifier that is read here: leave out --head'
    )
  between = family.before_head
  found = [n for n in net.names.values() if between and re.search(between, n)]
  if found:
    raise WeightsError(
      f'its classifier reads {found[0]}, which has no place here: leave out '
      '--head'
    )


def _settled(
  family: family_lib.Family,
  shown: Mapping[str, Any],
  told: Mapping[str, Any],
  head: bool,
  unsaid: UnsaidError | None,
) -> tuple[dict[str, Any], list[str]]:
  """Returns `settings.settle`'s fields and notes, if all is said."""
  if unsaid:
    raise unsaid
  return settings_lib.settle(family.unshown, shown, told, head)


def _pixels(
  family: family_lib.Family, told: Mapping[str, Any]
) -> tuple[Any, Any]:
  """Returns the mean and the standard deviation of pixels."""
  mean, std = family.normalisation
  return told.get('mean', mean), told.get('std', std)


def _whole(arrays: Arrays, base: str, report: report_lib.Report) -> Arrays:
  """Returns arrays, with those of a backbone that they were trained on.

  Raises:
    WeightsError: if `base` has no backbone.
  """
  if not base:
    return arrays
  below = {
    name.removeprefix('backbone/'): array
    for name, array in storage.load_arrays(base).items()
    if name.startswith('backbone/')
  }
  if not below:
    raise WeightsError(
      f'--base={base} has no arrays of a backbone here: vidpetl convert makes '
      'such a file of the published one'
    )
  new = len(below.keys() - arrays.keys())
  report.notes.append(f'{new} of the {len(below)} arrays of {base} are added')
  return {**below, **arrays}


@contextlib.contextmanager
def _naming(path: str, name: str, likely: Callable[[], str]) -> Iterator[None]:
  """Makes errors about a file's arrays name the file and the family."""
  try:
    yield
  except UnsaidError as error:
    raise UnsaidError(f'{path}: {error}', error.width) from None
  except WeightsError as error:
    raise WeightsError(f'{path}: {error}') from None
  except (ArithmeticError, LookupError, TypeError, ValueError) as error:
    # What reads shapes of others does not find what it looks for.
    raise WeightsError(
      f'{path} has names of the family {name}, and not its shapes: '
      f'{type(error).__name__}: {error}.{likely()}'
    ) from None


def _require_right(
  report: report_lib.Report, likely: Callable[[], str]
) -> None:
  """Raises if an array is missing, unexpected or wrong."""
  wrong = report.wrong
  if not wrong:
    return
  said, end = f'{report.title}: {wrong[0]}.', ' '
  if len(wrong) > 1:
    said, end = report.short(), '\n'
  advice = ''
  if any(row.status != 'wrong' for row in wrong):
    advice = ' Name what is meant to differ with --allow=<regex of the name>.'
  raise WeightsError(f'{said}{end}Nothing was written.{advice}{likely()}')


def _for_grid(path, layout, shapes, grid) -> family_lib.Layout:
  """Returns a layout whose clips have that grid of tokens, if one is given."""
  if not grid and layout.video:
    return layout
  if not grid:
    tables = positions.lengths(shapes)
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
  if wrong := positions.misfit(positions.lengths(shapes), tuple(grid)):
    raise WeightsError(f'{path}: the grid {tuple(grid)} {wrong}')
  patch = layout.backbone.get('patch')
  box = patch if isinstance(patch, tuple) else kernels[0]
  video = tuple(size * part for size, part in zip(grid, box))
  return dataclasses.replace(layout, video=video)


def full_names(arrays: Arrays, head: str) -> Arrays:
  """Returns arrays under a whole model's names; see `petl.variables`."""

  def name(path: str) -> str:
    statistic = 'batch_stats/' if path.startswith('batch_stats/') else ''
    bare = path.removeprefix(statistic)
    if bare.startswith('head/'):
      return f'{statistic}heads_{head}/{bare.removeprefix("head/")}'
    return f'{statistic}backbone/{bare}'

  return {name(path): array for path, array in arrays.items()}
