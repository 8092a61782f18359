"""What a published method is: what it binds, and what trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidpetl.recipes.bound import Bound

Method = tuple[Sequence[Bound], Sequence[str]]

# Paths of what techniques have learned.
SITES = '/site_[^/]+/'


def at(sites: Sequence[str], technique: str, **more: Any) -> Method:
  """Returns a method that binds one technique to some sites, or to one."""
  sites = (sites,) if isinstance(sites, str) else sites
  return [Bound(site, technique, **more) for site in sites], (SITES,)
