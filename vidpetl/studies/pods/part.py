"""What all have in common that a step can be compiled for."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

# How often a result of a collective goes over the links of a chip.
_SENT = {'all-reduce': 2}


class Part:
  """Devices, or chips, that train together.

  Attributes:
    name: by which it is asked for.
    chips: how many there are.
    memory: bytes of one.
    platform: 'tpu', 'gpu' or 'cpu'.
    needs: the package that compiles for it; '' needs none.
    extra: of vidpetl, which installs that.
    environment: of a process that compiles for it.
    meant: what `devices.meant` takes; None where a mesh of it tells all.
    clock: Hz.
    links: bytes a second that a chip sends to others, by all links.
  """

  name: str
  chips: int
  memory: int
  platform: str
  needs: str = ''
  extra: str = ''
  environment: Mapping[str, str] = types.MappingProxyType({})
  meant: Any = None
  clock: float
  links: float

  def devices(self) -> list[Any]:
    """Returns them, in a process that has the `environment`."""
    raise NotImplementedError

  def seconds(self, kind: str, size: int) -> float:
    """Returns what a collective takes, by all links of a chip at once.

    Args:
      kind: such as 'all-reduce'.
      size: bytes of its result, on a chip.
    """
    return _SENT.get(kind, 1) * size / self.links
