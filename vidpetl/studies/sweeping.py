"""A list of settings, each with seeds and rates; what trains together does."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from etils import epath

from vidpetl.studies import contrasts, flops, rates, series, spread, tradeoff
from vidpetl.studies import settings as settings_lib

LoadConfig = Callable[[Sequence[settings_lib.Setting], int], Any]
Results = dict[epath.Path, dict[str, Any]]


class Sweep:
  """The runs of settings.

  Attributes:
    settings: in their order.
    failed: what went wrong, a line per run.
    tried: results of each setting's finished runs, by rate (nan for that of
      the setting) and working directory.
    runs: working directory -> its run.
    of: working directory -> its setting and rate.
  """

  def __init__(
    self,
    load_config: LoadConfig,
    settings: Sequence[settings_lib.Setting],
    seeds: int,
    metrics: Sequence[str],
    folder: epath.Path,
    factors: Sequence[float] = (),
    at_once: int = 1,
  ):
    """Plans the runs.

    Args:
      load_config: (settings of a run, seed) -> config.
      settings: to run.
      seeds: runs of each.
      metrics: '<task>/<metric>' each; the first is drawn, and picks rates.
      folder: of the sweep.
      factors: of rates, see `rates.axis`.
      at_once: the most runs that train together.
    """
    self.settings, self.failed = settings, []
    self.tried: dict[settings_lib.Setting, dict[float, Results]] = {}
    self._metrics, self._folder, self._at_once = metrics, folder, at_once
    self._costs: dict[settings_lib.Setting, dict[str, float]] = {}
    self.runs, self.of = _planned(load_config, settings, seeds, folder, factors)

  def each(self) -> Iterator[Results]:
    """Yields working directories and results of runs, as they end.

    Raises:
      series.Interrupted: if a run was told to stop.
    """
    for ended in series.run_all(
      self.runs, self.failed, self._metrics, self._at_once
    ):
      for workdir, results in ended.items():
        setting, rate = self.of[workdir]
        self.tried.setdefault(setting, {}).setdefault(rate, {})[workdir] = (
          results
        )
        if setting not in self._costs:
          self._costs[setting] = flops.forward(self.runs[workdir].config())
      yield ended

  def found(self) -> dict[settings_lib.Setting, tradeoff.Runs]:
    """Returns each setting's runs, at the rate picked."""
    metric = self._metrics[0]
    return {s: _picked(self.tried.get(s), metric) for s in self.settings}

  def write(self) -> None:
    """Writes sweep.md, sweep.json and pictures, of what has ended."""
    tradeoff.write(self._folder, self.found(), self._metrics, self._costs)

  def told(self) -> str:
    """Writes rates.md and contrasts.md; returns them and the table of all."""
    folder, metric, found = self._folder, self._metrics[0], self.found()
    of_rates = rates.write(folder, self.tried, metric)
    table = tradeoff.table(found, self._metrics)
    alike = {setting for setting, runs in found.items() if runs.alike}
    contrasted = contrasts.write(folder, self._by_seed(), metric, alike)
    return '\n\n'.join(filter(None, [of_rates, table, contrasted]))

  def _by_seed(self) -> contrasts.Measured:
    """Returns setting -> seed -> the first metric, at the rate picked."""
    metric = self._metrics[0]
    return {
      setting: {
        workdir.name: tradeoff.value(results, metric)
        for workdir, results in tried[rates.pick(tried, metric)].items()
      }
      for setting in self.settings
      if (tried := self.tried.get(setting))
    }


def sweep(*args: Any, **more: Any) -> list[str] | None:
  """Runs every setting with every seed; draws after each run.

  Args:
    *args: of a `Sweep`.
    **more: likewise.

  Returns:
    What went wrong, a line per run; None if it was told to stop.
  """
  runs = Sweep(*args, **more)
  try:
    for ended in runs.each():
      if ended:
        runs.write()
  except series.Interrupted:
    return None
  print(f'\n{runs.told()}\n')
  return runs.failed


def _planned(
  load_config: LoadConfig,
  settings: Sequence[settings_lib.Setting],
  seeds: int,
  folder: epath.Path,
  factors: Sequence[float],
) -> tuple[
  dict[epath.Path, series.Planned],
  dict[epath.Path, tuple[settings_lib.Setting, float]],
]:
  """Returns working directory -> its run, and -> its setting and rate."""
  runs, of = {}, {}
  axes = {s: rates.axis(s, load_config, factors) for s in settings}
  for seed in range(seeds):
    for setting in settings:
      for rate, chosen in axes[setting].items():
        below = '' if math.isnan(rate) else f'rate{rate:g}'
        workdir = folder / setting.slug / below / f'seed{seed}'
        of[workdir] = setting, rate
        make = functools.partial(load_config, [chosen], seed)
        runs[workdir] = series.Planned(make, series.told([setting]))
  return runs, of


def _picked(tried: rates.Tried | None, metric: str) -> tradeoff.Runs:
  """Returns a setting's runs at the rate that is picked."""
  if not tried:
    return tradeoff.Runs()
  rate = rates.pick(tried, metric)
  found = tried[rate]
  return tradeoff.Runs(list(found.values()), rate, spread.alike(found))
