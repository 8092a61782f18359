"""What each setting of a search would take of a device, or why it is out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vidpetl import mistakes
from vidpetl.parameters import trainable
from vidpetl.studies import settings as settings_lib
from vidpetl.studies.adapting import cost, space
from vidpetl.studies.planning import cards, estimate, fitting

_GIB = 2**30
# The most runs that train together, however small they are.
_TOGETHER = 16
Load = Callable[[Sequence[settings_lib.Setting], int], Any]


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A setting, and what the plan says of it.

  Attributes:
    setting: of `space`, with what makes it fit.
    refused: why it is out; '' if it is not.
    trained: parameters.
    gib: of a device's memory.
    at_once: runs that fit beside each other.
    how: it trains.
    changes: what makes it fit, as flags.
  """

  setting: space.Setting
  refused: str = ''
  trained: int = 0
  gib: float = 0.0
  at_once: int = 1
  how: cost.Trained | None = None
  changes: str = ''

  @property
  def name(self) -> str:
    return self.setting['name']

  def row(self) -> dict[str, Any]:
    """Returns what adapt.json has of it."""
    fields = dataclasses.asdict(self)
    return {'name': self.name, **fields}


def of_row(row: Mapping[str, Any]) -> Candidate:
  """Returns the candidate that adapt.json has."""
  fields = {k: v for k, v in row.items() if k != 'name'}
  how = fields.pop('how')
  return Candidate(**fields, how=how and cost.Trained(**how))


def weigh(setting: space.Setting, load: Load, card: cards.Card) -> Candidate:
  """Returns what a setting takes of a device.

  Args:
    setting: of `space`.
    load: (settings of a run, seed) -> config.
    card: the device.
  """
  try:
    config = load(settings_lib.make([setting]), 0)
    plan, changes = estimate.estimate(config, card), {}
    if not plan.fits:
      changes, plan = fitting.fit(plan.config, card)
  except ValueError as error:
    if not mistakes.is_mistake(error):
      raise
    return Candidate(setting, refused=str(error).rstrip('.'))
  # A step of the plan is of this batch.
  how = cost.Trained(
    plan.seconds, plan.config.batch_size, _goes_back(plan.config)
  )
  more = {f'config.{path}': value for path, value in changes.items()}
  at_once = plan.largest_batch // plan.config.batch_size
  return Candidate(
    {**setting, **more},
    trained=plan.trained,
    gib=plan.total / _GIB,
    at_once=max(1, min(_TOGETHER, at_once)),
    how=how,
    changes=fitting.flags(changes),
  )


def _goes_back(config: Any) -> bool:
  """Whether a pass goes back through the trunk."""
  side = bool(config.petl) and all(e['site'] == 'features' for e in config.petl)
  trains = [
    pattern
    for pattern, group in config.trainable
    if group != trainable.FROZEN and pattern != '^heads_'
  ]
  return bool(trains) and not side
