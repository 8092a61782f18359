"""Which published backbone a file of weights is of, where the file can tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vidpetl import backbones
from vidpetl.experiment import provenance, published
from vidpetl.recipes import presets
from vidpetl.weights import files, importing, ranking, tree
from vidpetl.weights.errors import UnsaidError, WeightsError


@dataclasses.dataclass(frozen=True)
class Recognised:
  """What a file of weights is of.

  Attributes:
    preset: the published backbone, or the first that is built as it is, whose
      clips and pixels are taken.
    fields: of the config, beside those of the preset: path -> value.
  """

  preset: str
  fields: Mapping[str, Any]


def recognise(path: str) -> Recognised:
  """Returns what a file of weights is of.

  Args:
    path: a file of `vidpetl convert`, a working directory, or a published file.

  Raises:
    ValueError: if the file cannot tell, with what it could be.
  """
  said = provenance.read(path)
  if fields := said.get('backbone'):
    fields = dict(fields)
    same = _same(fields) or [_like(path, fields)]
    return Recognised(same[0], {'backbone': fields})
  families = _families(path)
  found: dict[str, str] = {}
  for family in families:
    for name in _presets(family, path):
      found.setdefault(name, family)
  if len(found) != 1:
    raise ValueError(_unknown(path, families, list(found)))
  ((name, family),) = found.items()
  other = family != presets.find(name).family
  return Recognised(name, {'init.family': family} if other else {})


def _unknown(path: str, families: list[str], could: list[str]) -> str:
  """Returns what to do about a file that cannot tell what it is of."""
  told = f'--weights={path} cannot tell of which backbone it is'
  if could:
    flags = ' or '.join(f'--backbone={name}' for name in could)
    return f'{told}: give {flags}'
  if families:
    return (
      f'{told}: it fits {" and ".join(families)}, and has no published size. '
      f'`vidpetl convert --from={families[0]} {path} OUT.safetensors` makes a '
      'file that can'
    )
  known = ', '.join(presets.all_presets())
  return f'{told}: --backbone is one of {known}'


def _like(path: str, fields: Mapping[str, Any]) -> str:
  """Returns the first preset of an architecture."""
  try:
    found = presets.like(fields)
  except ValueError as error:
    raise ValueError(f'--weights={path}: {error}') from None
  return next(n for n, p in presets.all_presets().items() if p is found)


def _families(path: str) -> list[str]:
  """Returns the families that a published file fits."""
  matches = ranking.rank(tree.leaves(files.read(path)))
  return list(dict.fromkeys(m.family for m in matches if not m.problem))


def _presets(family: str, path: str) -> list[str]:
  """Returns the presets that a file of a family may be of."""
  try:
    found = _same(importing.load(family, path).layout.backbone)
  except UnsaidError as error:
    found = published.presets_for(error.width, family)
  except WeightsError:
    return []
  own = [name for name in found if presets.find(name).family == family]
  return own or found


def _same(fields: Mapping[str, Any]) -> list[str]:
  """Returns the presets that are built of the same parts."""
  wanted = _built(fields)
  return [
    name
    for name, preset in presets.all_presets().items()
    if preset.fields['name'] == fields['name']
    and _built(preset.fields) == wanted
  ]


def _built(fields: Mapping[str, Any]) -> dict[str, Any]:
  """Returns all fields of a backbone but those of a run."""
  model = backbones.build(fields)
  of_run = ('parent', 'name', 'dtype', 'remat', 'scan', 'stochastic_depth')
  return {
    field.name: getattr(model, field.name)
    for field in dataclasses.fields(model)
    if field.name not in of_run
  }
