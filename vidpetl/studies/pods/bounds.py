"""How long a compiled step takes at least, and what that leaves of a pod."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vidpetl.studies.planning import cards
from vidpetl.studies.pods import topologies


@dataclasses.dataclass(frozen=True)
class Bounds:
  """Seconds of a step on a chip.

  Attributes:
    products: of all of them, at the data sheet's peak.
    memory: of what is read and written, at its bandwidth.
    compiler: of the cycles that the compiler reckons; Pallas kernels have none,
      and programs of GPUs.
    links: of what is sent to other chips, over all links of a chip.
    waiting: of it, those in which the chip computes nothing.
    mfu: share of the peak that is left for what is needed.
  """

  products: float
  memory: float
  compiler: float
  links: float
  waiting: float
  mfu: float

  @property
  def bound(self) -> str:
    return 'products' if self.products >= self.memory else 'memory'

  @property
  def seconds(self) -> float:
    """What the chip itself takes at least."""
    return max(self.products, self.memory)

  @property
  def scaling(self) -> float:
    """Share of a lone chip's speed that is left."""
    return self.seconds / (self.seconds + self.waiting)


def bounds(found: Mapping[str, Any], dtype: str) -> Bounds:
  """Returns the bounds of what `asking.ask` has found.

  Args:
    found: by it, of a step that fits.
    dtype: of the run's products.
  """
  part, card = topologies.target(found['slice']), cards.find(found['slice'])
  peak, flops = card.products[dtype], found['flops']
  products, memory = flops['step'] / peak, found['moved'] / card.bandwidth
  links = sum(
    part.seconds(kind, each['bytes'])
    for kind, each in found['collectives'].items()
  )
  useful = flops.get('needed', flops['step'])
  return Bounds(
    products,
    memory,
    found['cycles'] / part.clock,
    links,
    found['hidden'].get('waiting', links),  # Not in answers of before.
    useful / peak / max(products, memory),
  )
