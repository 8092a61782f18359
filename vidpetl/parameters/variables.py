"""Parameters and statistics of a model under flat names.

A parameter is called by its path, 'backbone/…/kernel'; a running statistic of
a BatchNorm by 'batch_stats/' and its path. So files, hashes and comparisons
have one namespace for all that a model is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl.parameters import trainable

STATISTICS = 'batch_stats'
_PREFIX = STATISTICS + '/'


def make(params: Any, batch_stats: Any) -> dict[str, Any]:
  """Returns linen variables; without statistics there is no collection."""
  return {'params': params} | ({STATISTICS: batch_stats} if batch_stats else {})


def flatten(variables: Mapping[str, Any]) -> dict[str, Any]:
  """Returns {name: leaf} of linen variables."""
  flat = trainable.flatten(variables['params'])
  statistics = trainable.flatten(variables.get(STATISTICS, {}))
  return flat | {_PREFIX + path: leaf for path, leaf in statistics.items()}


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the linen variables that `flatten` came from."""
  params = {k: v for k, v in flat.items() if not is_statistic(k)}
  statistics = {
    k.removeprefix(_PREFIX): v for k, v in flat.items() if is_statistic(k)
  }
  return make(trainable.unflatten(params), trainable.unflatten(statistics))


def is_statistic(name: str) -> bool:
  return name.startswith(_PREFIX)
