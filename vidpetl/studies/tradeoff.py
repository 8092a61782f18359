"""Accuracy against trained parameters: a sweep's table and its picture."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure, ticker, transforms

# For every ten families, which have a colour each.
_MARKERS = 'os^Dv'
# Inches between variants of one size.
_ASIDE = 0.12

Found = Mapping['Variant', Sequence[Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Variant:
  """One way to set a config's arguments.

  Attributes:
    argument: 'method=bapat,bottleneck=16'.
    family: what it has in common with those that differ in size alone.
    name: what tables call it.
  """

  argument: str
  family: str
  name: str

  @property
  def slug(self) -> str:
    """Name of its folder."""
    return re.sub(r'[^\w.=+-]+', '_', self.name.replace(', ', ','))


def expand(text: str) -> list[Variant]:
  """Returns the variants of 'a=1; a=2,b=x|y; name: a=3', in their order.

  Raises:
    ValueError: for what is no 'name=value', and for repetitions.
  """
  variants = []
  for part in filter(None, map(str.strip, text.split(';'))):
    label, rest = re.match(r'(?:([^=,;:]+):\s)?(.*)', part).groups()
    fields = [field.strip() for field in rest.split(',')]
    choices = []
    for field in fields:
      name, equals, values = field.partition('=')
      if not name or not equals or not all(values.split('|')):
        raise ValueError(f'over: {field!r} is no name=value or name=x|y')
      choices.append([f'{name}={value}' for value in values.split('|')])
    fixed = [f for f, c in zip(fields, choices) if len(c) == 1]
    varied = [f.partition('=')[0] for f, c in zip(fields, choices) if c[1:]]
    family = label or ' '.join(fixed or varied).removeprefix('method=')
    for chosen in itertools.product(*choices):
      own = [f for f in chosen if f not in fixed] if label else chosen
      name = ', '.join(filter(None, [label, *own])).removeprefix('method=')
      variants.append(Variant(','.join(chosen), family, name))
  slugs = [v.slug for v in variants]
  if twice := sorted({s for s in slugs if slugs.count(s) > 1}):
    raise ValueError(f'over: {", ".join(twice)} is there twice')
  if not variants:
    raise ValueError('over: there is nothing in it')
  return variants


@dataclasses.dataclass(frozen=True)
class Point:
  """A variant, measured.

  Attributes:
    variant: which.
    backbone: trained parameters without heads.
    heads: trained parameters of heads.
    total: all parameters.
    values: of the metric, one per seed.
  """

  variant: Variant
  backbone: int
  heads: int
  total: int
  values: tuple[float, ...]

  @property
  def trained(self) -> int:
    return self.backbone + self.heads

  @property
  def mean(self) -> float:
    return float(np.mean(self.values))

  @property
  def spread(self) -> float:
    """Standard deviation over the seeds; nan of one."""
    many = len(self.values) > 1
    return float(np.std(self.values, ddof=1)) if many else float('nan')


def points(found: Found, metric: str) -> list[Point]:
  """Reads results.

  Raises:
    ValueError: if they do not have the metric.
  """
  task, _, name = metric.partition('/')
  measured = []
  for variant, results in found.items():
    if not results:
      continue
    for result in results:
      have = result['tasks'].get(task, {}).get('metrics', {})
      if name not in have:
        known = [
          f'{t}/{m}' for t, r in result['tasks'].items() for m in r['metrics']
        ]
        raise ValueError(f'metric {metric!r} is none of {", ".join(known)}')
    values = [result['tasks'][task]['metrics'][name] for result in results]
    # What is not defined, as a correlation with a constant.
    values = [float('nan') if v is None else v for v in values]
    count = results[0]['parameters']
    measured.append(
      Point(
        variant,
        count['trained'] - count['trained_heads'],
        count['trained_heads'],
        count['total'],
        tuple(values),
      )
    )
  return measured


def table(found: Found, metric: str) -> str:
  """Returns the Markdown table of what is measured."""
  lines = [
    f'| | trained | with heads | of all | {metric}, % | seeds |',
    '|---|---|---|---|---|---|',
  ]
  for p in points(found, metric):
    spread = '' if np.isnan(p.spread) else f' ± {100 * p.spread:.1f}'
    lines.append(
      f'| {p.variant.name} | {p.backbone:,} | {p.trained:,} | '
      f'{p.trained / p.total:.2%} | {100 * p.mean:.1f}{spread} | '
      f'{len(p.values)} |'
    )
  return '\n'.join(lines)


def write(folder: pathlib.Path, found: Found, metric: str) -> None:
  """Writes sweep.md, sweep.json and tradeoff.png."""
  measured = points(found, metric)
  rows = [
    {
      'name': p.variant.name,
      'argument': p.variant.argument,
      'trained': p.trained,
      'trained_heads': p.heads,
      'total': p.total,
      metric: p.values,
    }
    for p in measured
  ]
  (folder / 'sweep.json').write_text(json.dumps(rows, indent=1) + '\n')
  (folder / 'sweep.md').write_text(table(found, metric) + '\n')
  draw(measured, metric).savefig(folder / 'tradeoff.png', dpi=200)


def _families(measured: Sequence[Point]) -> dict[str, list[Point]]:
  """Returns what a picture joins, by name."""
  families: dict[str, list[Point]] = {}
  for point in measured:
    families.setdefault(point.variant.family, []).append(point)
  # What differs, but not in size, is a family each.
  for family, members in list(families.items()):
    if len(members) > 1 and len({p.trained for p in members}) == 1:
      del families[family]
      families |= {p.variant.name: [p] for p in members}
  return families


def _asides(families: Mapping[str, Sequence[Point]]) -> dict[str, float]:
  """Returns by how many places each family stands beside its size."""
  beside: dict[int, list[str]] = {}
  for family, members in families.items():
    if len(members) == 1:
      beside.setdefault(members[0].trained, []).append(family)
  asides = dict.fromkeys(families, 0.0)
  for names in beside.values():
    asides |= {n: i - (len(names) - 1) / 2 for i, n in enumerate(names)}
  return asides


def draw(measured: Sequence[Point], metric: str) -> figure.Figure:
  """Draws the metric against the number of trained parameters.

  Variants of one family, which differ in size alone, are joined; those of one
  size are named one by one, and stand side by side.
  """
  picture = figure.Figure(figsize=(7, 4.5), layout='constrained')
  axes = picture.subplots()
  families = _families(measured)
  asides = _asides(families)
  for number, (family, members) in enumerate(families.items()):
    members = sorted(members, key=lambda p: p.trained)
    drawn = axes.errorbar(
      [p.trained for p in members],
      [100 * p.mean for p in members],
      [100 * np.nan_to_num(p.spread) for p in members],
      fmt=f'{_MARKERS[number // 10 % len(_MARKERS)]}-',
      color=f'C{number % 10}',
      capsize=3,
      lw=1.2,
      ms=5,
      label=family,
    )
    shift = transforms.ScaledTranslation(
      _ASIDE * asides[family], 0, picture.dpi_scale_trans
    )
    for artist in drawn.get_children():
      artist.set_transform(artist.get_transform() + shift)
  picture.legend(loc='outside right upper', fontsize=8, frameon=False)
  axes.margins(x=0.12, y=0.1)
  _show_sizes(axes, [p.trained for p in measured])
  axes.grid(alpha=0.25, which='both', lw=0.5)
  axes.set_xlabel('trained parameters, with heads')
  axes.set_ylabel(f'{metric}, %')
  return picture


def _show_sizes(axes: Any, sizes: Sequence[int]) -> None:
  """Makes x a scale of sizes that has numbers, however close they are."""
  axes.set_xscale('log')
  axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=''))
  narrow = max(sizes) < 3 * min(sizes)
  axes.xaxis.set_minor_formatter(
    ticker.EngFormatter(sep='') if narrow else ticker.NullFormatter()
  )
  if min(sizes) == max(sizes):
    axes.set_xlim(sizes[0] / 2, 2 * sizes[0])
