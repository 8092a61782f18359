"""Starting from other parameters: strict, never confused with resuming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vidpetl import backbones
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import published
from vidpetl.parameters import package, storage, variables
from vidpetl.recipes import presets
from vidpetl.weights import family as family_lib
from vidpetl.weights import fit, importing
from vidpetl.weights import report as report_lib


def load(
  fresh: Any, config: Any, experiment: experiment_lib.Experiment
) -> tuple[Any, str, report_lib.Report]:
  """Replaces fresh variables by those of `config.init.path`.

  Args:
    fresh: linen variables: parameters and, of a backbone with BatchNorm,
      statistics, which are named 'batch_stats/<path>' here.
    config: `config.init`; see `training.defaults`.
    experiment: that starts.

  Returns:
    The variables; a sentence that says where they come from; what became of
    each array.

  Raises:
    ValueError: with every difference that `skip` does not name.
  """
  have, said = _read(config, experiment)
  want = variables.flatten(fresh)
  report = report_lib.Report(f'{config.path} into this model')
  taken = fit.fit(
    have,
    {name: leaf.shape for name, leaf in want.items()},
    fit.Geometry(
      tuple(config.grid or said.get('grid', ())),
      tuple(config.window or said.get('window', ())),
      said.get('positions') or _rule(experiment.config.backbone),
    ),
    geometry(experiment),
    report,
    skip=config.skip,
    fresh=said.get('fresh', ()),
    inflate=config.inflate or said.get('inflate', ''),
  )
  if report.wrong:
    theirs = ''
    if 'backbone' in said:
      theirs = (
        f'\nIt is for config.backbone = {said["backbone"]}; here that is '
        f'{experiment.config.backbone.to_dict()}.'
      )
    raise ValueError(
      f'config.init.path does not fit. {report.short()}{theirs}\nName in '
      'config.init.skip what is meant to stay as it is drawn, or to be left '
      'out.'
    )
  report.notes += filter(None, [said.get('note')])
  report.notes += _settings(experiment, said)
  report.notes += _normalisation(experiment, said)
  new = sorted(set(want) - set(taken))
  taken = {
    path: jax.device_put(value.astype(want[path].dtype))
    for path, value in taken.items()
  }
  resized = sum(row.status == 'resized' for row in report.rows)
  origin = (
    f'{len(taken)} arrays of {config.path}, {len(new)} new ({_few(new)}), '
    f'{resized} resized'
  )
  return variables.unflatten(want | taken), origin, report


def geometry(experiment: experiment_lib.Experiment) -> fit.Geometry:
  """Returns what the tables of positions of an experiment are for."""
  window = getattr(_plain_backbone(experiment), 'window', ())
  return fit.Geometry(experiment.grid(), window)


def _rule(fields: Mapping[str, Any]) -> str:
  """Returns how tables of a backbone are resized where no file says it."""
  try:
    preset = presets.like(fields)
  except ValueError:  # One's own, which nobody has resized before.
    return 'linear'
  return family_lib.load(preset.family).positions


def _plain_backbone(experiment: experiment_lib.Experiment) -> Any:
  """Returns the backbone below its techniques."""
  backbone = experiment.model.backbone
  return getattr(backbone, 'backbone', backbone)


def _read(
  config: Any, experiment: experiment_lib.Experiment
) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
  """Returns arrays by name, and what is known of them."""
  said = published.read_metadata(config.path)
  if config.family and not said:
    imported = importing.load(
      config.family,
      config.path,
      target=experiment.config.backbone.name,
      entry=config.entry,
      grid=config.grid,
    )
    described = published.describe(config.family, config.path, imported)
    return imported.arrays, described
  return storage.load_arrays(config.path), said


def _settings(experiment, said) -> list[str]:
  """Returns a note for each setting with which the weights mean less."""
  if 'backbone' not in said:
    return []
  theirs = backbones.build(said['backbone'])
  ours = _plain_backbone(experiment)
  return [
    f'note: {field} of the backbone is {now!r}, and the weights were trained '
    f'with {then!r}'
    for field in ('activation', 'epsilon', 'padding')
    if (now := getattr(ours, field, None)) is not None
    and (then := getattr(theirs, field, None)) is not None
    and now != then
  ]


def _normalisation(experiment, said) -> list[str]:
  """Returns a note for each task whose pixels are not those of the weights."""
  if 'mean' not in said:
    return []
  notes = []
  for name, task in experiment.tasks.items():
    for field in ('mean', 'std'):
      ours = getattr(task.augment, field)
      if not np.allclose(ours, said[field], atol=1e-3):
        notes.append(
          f'note: config.tasks.{name}.augment.{field} is {tuple(ours)}, and '
          f'the weights were trained with {said[field]}'
        )
  return notes


def _few(names: list[str]) -> str:
  """Returns the last of some names; heads are among them."""
  more = len(names) - 2
  return ', '.join(names[-2:]) + (f' and {more} more' if more > 0 else '')


def load_adapter(fresh: Any, folder: str) -> tuple[Any, str]:
  """Puts a package on the backbone that it is for.

  Args:
    fresh: linen variables of the whole model; the backbone's parameters are
      what is checked.
    folder: of the package, `config.init.adapter`.

  Returns:
    The variables; a sentence that says what the package gave.

  Raises:
    package.PackageError: if it is damaged, or for another backbone.
    ValueError: if other techniques are bound here than in the package.
  """
  want = variables.flatten(fresh)
  packed = package.load(folder)
  package.attach(packed, {k: np.asarray(v) for k, v in want.items()})
  site = lambda path: '/site_' in path
  missing = sorted(p for p in filter(site, want) if p not in packed.params)
  unexpected = sorted(p for p in filter(site, packed.params) if p not in want)
  taken = {p: v for p, v in packed.params.items() if p in want}
  wrong = [p for p, v in taken.items() if v.shape != want[p].shape]
  if missing or unexpected or wrong:
    raise ValueError(
      f'config.init.adapter {folder} does not fit config.petl. Missing: '
      f'{missing}. Unexpected: {unexpected}. Other shapes: {wrong}.'
    )
  heads = sorted(p for p in packed.params if p not in want)
  taken = {p: jax.device_put(v) for p, v in taken.items()}
  said = f'{len(taken)} arrays of {folder}'
  said += f', without its {heads}' if heads else ''
  return variables.unflatten(want | taken), said
