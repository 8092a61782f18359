"""Accuracy against trained parameters: a sweep's table and its picture."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from matplotlib import figure, ticker, transforms

from vidpetl import durable, tables
from vidpetl.studies import flops, settings, spread, style
from vidpetl.training import reporting
from vidpetl.training.writers import json_lines

# For every ten families, which have a colour each.
_MARKERS = 'os^Dv'
# Inches between settings of one size.
_ASIDE = 0.12


@dataclasses.dataclass(frozen=True)
class Runs:
  """The finished runs of a setting.

  Attributes:
    results: of each seed.
    rate: that was picked among those that it was tried with; nan of one that
      has a single rate.
    alike: whether the seeds are one run, see `spread.alike`.
  """

  results: Sequence[Mapping[str, Any]] = ()
  rate: float = math.nan
  alike: bool = False


Found = Mapping[settings.Setting, Runs]


@dataclasses.dataclass(frozen=True)
class Point:
  """A setting, measured.

  Attributes:
    setting: which.
    backbone: trained parameters without heads.
    heads: trained parameters of heads.
    total: all parameters.
    values: of the metric, one per seed.
    runs: that they are of.
  """

  setting: settings.Setting
  backbone: int
  heads: int
  total: int
  values: tuple[float, ...]
  runs: Runs = Runs()

  @property
  def reported(self) -> list[Mapping[str, Any]]:
    """Of each seed, which evaluation its value comes from."""
    return [result.get('reported', {}) for result in self.runs.results]

  @property
  def trained(self) -> int:
    return self.backbone + self.heads

  @property
  def mean(self) -> float:
    return float(np.mean(self.values))


def points(found: Found, metric: str) -> list[Point]:
  """Reads results.

  Args:
    found: each setting's runs; a setting without results is left out.
    metric: '<task>/<metric>'.

  Raises:
    ValueError: if they do not have the metric.
  """
  measured = []
  for setting, runs in found.items():
    if not runs.results:
      continue
    count = runs.results[0]['parameters']
    measured.append(
      Point(
        setting,
        count['trained'] - count['trained_heads'],
        count['trained_heads'],
        count['total'],
        tuple(value(result, metric) for result in runs.results),
        runs,
      )
    )
  return measured


def value(result: Mapping[str, Any], metric: str) -> float:
  """Returns a run's metric; nan if undefined, as a constant's correlation."""
  task, _, name = metric.partition('/')
  metrics = result['tasks'].get(task, {}).get('metrics', {})
  if name not in metrics:
    known = [
      f'{t}/{m}' for t, r in result['tasks'].items() for m in r['metrics']
    ]
    raise ValueError(f'metric {metric!r} is none of {", ".join(known)}')
  return float('nan') if metrics[name] is None else metrics[name]


def table(found: Found, metrics: Sequence[str]) -> str:
  """Returns the Markdown table of what is measured, and a sentence on seeds.

  It has a column of rates where rates competed.
  """
  competed = any(not math.isnan(runs.rate) for runs in found.values())
  header = ['', *['rate'] * competed, 'trained', 'with heads', 'of all']
  header += [f'{metric}, %' for metric in metrics]
  rows, alike = [], []
  for measured in zip(*(points(found, metric) for metric in metrics)):
    first = measured[0]
    rate, one = first.runs.rate, first.runs.alike
    alike += [first.setting.name] * one
    rows.append(
      [
        first.setting.name,
        *['' if math.isnan(rate) else f'{rate:g}'] * competed,
        f'{first.backbone:,}',
        f'{first.trained:,}',
        f'{first.trained / first.total:.2%}',
        *(spread.mean_std(point.values, one) for point in measured),
        f'{len(first.values)}{" alike" * one}',
        reporting.words(first.reported),
      ]
    )
  text = tables.markdown([*header, 'seeds', 'reported'], rows)
  return '\n\n'.join([text, *_of_seeds(alike)])


def _of_seeds(names: Sequence[str]) -> list[str]:
  """Returns a sentence on settings whose seeds are one run, if there are."""
  if not names:
    return []
  return [
    f'The seeds of {"; ".join(names)} are one run, and have no spread: they '
    'see the same batches, and nothing else that they draw changes a loss '
    '(`--batches=own` gives each batches of its own).'
  ]


def write(
  folder: epath.Path,
  found: Found,
  metrics: Sequence[str],
  costs: Mapping[settings.Setting, Mapping[str, float]],
) -> None:
  """Writes sweep.md, sweep.json, and pictures of the first metric.

  Args:
    folder: of the sweep.
    found: each setting's runs.
    metrics: '<task>/<metric>' each.
    costs: FLOPs of one view of each task, forward, of settings with results.
  """
  rows = []
  for measured in zip(*(points(found, metric) for metric in metrics)):
    first = measured[0]
    rows.append(
      {
        'name': first.setting.name,
        'argument': first.setting.argument,
        'fields': {k: str(v) for k, v in first.setting.fields.items()},
        'trained': first.trained,
        'trained_heads': first.heads,
        'total': first.total,
        'flops': dict(costs[first.setting]),
        'reported': first.reported,
        'rate': json_lines.number(first.runs.rate),
        'alike': first.runs.alike,
        **{
          m: [json_lines.number(value) for value in point.values]
          for m, point in zip(metrics, measured)
        },
      }
    )
  durable.write(folder / 'sweep.json', json.dumps(rows, indent=1) + '\n')
  durable.write(folder / 'sweep.md', table(found, metrics) + '\n')
  first = points(found, metrics[0])
  cost = [_with_cost(point, costs, metrics[0]) for point in first]
  for stem, picture in (
    ('tradeoff', draw(first, metrics[0])),
    ('cost', flops.draw(cost, metrics[0])),
  ):
    style.save(picture, folder, stem)


def _with_cost(point: Point, costs, metric: str) -> flops.Point:
  task = metric.partition('/')[0]
  return flops.Point(
    point.setting.name,
    costs[point.setting][task],
    point.trained,
    point.values,
  )


def _families(measured: Sequence[Point]) -> dict[str, list[Point]]:
  """Returns what a picture joins, by name."""
  families: dict[str, list[Point]] = {}
  for point in measured:
    families.setdefault(point.setting.family, []).append(point)
  # What differs, but not in size, is a family each.
  for family, members in list(families.items()):
    if len(members) > 1 and len({p.trained for p in members}) == 1:
      del families[family]
      families |= {p.setting.name: [p] for p in members}
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

  Settings of one family, which differ in size alone, are joined; those of one
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
      [100 * np.nan_to_num(tables.std(p.values)) for p in members],
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
  style.legend(picture)
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
