"""What makes a run fit a device: the fastest change that changes no result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from vidpetl.experiment import complete
from vidpetl.studies.planning import cards
from vidpetl.studies.planning import estimate as estimate_lib

Fields = Mapping[str, Any]


def fit(config: Any, card: cards.Card) -> tuple[Fields, estimate_lib.Estimate]:
  """Returns the fields to change, and what a step takes with them.

  Tried are blocks that are computed again (`backbone.remat`), all of them or
  all but their products, parameters spread over all devices (`mesh.fsdp`), and
  a batch that is worked off in parts (`accumulate`); the batch itself stays.

  Args:
    config: of the run.
    card: the device.

  Raises:
    ValueError: if nothing of that makes it fit; it says what else would.
  """
  config = complete.complete(config)
  found, least = [], None
  for fields in _changes(config, card):
    plan = estimate_lib.estimate(changed(config, fields), card)
    for parts in _parts(config, card):
      divided = plan.divided(parts)
      least = min(filter(None, (least, divided)), key=lambda p: p.total)
      if divided.fits:
        own = {'accumulate': parts} if parts > config.accumulate else {}
        found.append(({**fields, **own}, divided))
        break
  if not found:
    raise ValueError(_nothing(least))
  return min(found, key=lambda pair: (pair[1].seconds, len(pair[0])))


def changed(config: Any, fields: Fields) -> Any:
  """Returns a config with other values of some fields, by their paths."""
  config = config.copy_and_resolve_references()
  with config.unlocked(), config.ignore_type():
    for path, value in fields.items():
      *sections, name = path.split('.')
      owner = config
      for section in sections:
        owner = owner[section]
      owner[name] = value
  return config


def flags(fields: Fields) -> str:
  """Returns what to add to the command."""
  return ' '.join(f'--config.{path}={value}' for path, value in fields.items())


def _changes(config: Any, card: cards.Card) -> Iterator[Fields]:
  remat = [{}]
  if config.backbone.get('remat') is False:
    remat += [{'backbone.remat': how} for how in ('dots', True)]
  spread = [{}]
  if card.count > 1 and config.mesh.fsdp != card.count:
    spread.append({'mesh.fsdp': card.count})
  for each in itertools.product(remat, spread):
    yield {name: value for fields in each for name, value in fields.items()}


def _parts(config: Any, card: cards.Card) -> Iterator[int]:
  """Yields numbers of parts that divide the batch evenly over all devices."""
  rows = config.batch_size // card.count
  for parts in range(config.accumulate, rows + 1):
    if rows % parts == 0:
      yield parts


def _nothing(least: estimate_lib.Estimate) -> str:
  usable = estimate_lib.USABLE * least.card.memory
  lines = [
    f'{least.total / cards.GIB:.1f} GiB are the least that this run takes of '
    f'{least.card.name}, of which {usable / cards.GIB:.1f} may be taken.'
  ]
  kept = least.memory['params'] + least.memory['optimizer']
  if kept > 0.5 * least.total:
    lines.append(
      'Most of it are parameters and what the optimizer keeps of them: train '
      'fewer (method=lora, head, …), or keep those that are frozen in fewer '
      'bits (--config.frozen_dtype=int8).'
    )
  else:
    lines.append(
      'One clip alone takes most of it: a method without a backward pass '
      'through the backbone (method=head with a probe, or ladder), a smaller '
      'clip, or a smaller backbone would fit.'
    )
  return ' '.join(lines)
