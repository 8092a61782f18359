"""Methods of side networks, which read what blocks make."""

from __future__ import annotations

from vidpetl.recipes.placing import Method, at


def ladder() -> Method:
  """Ladder side-tuning: a narrow transformer beside (Sung et al. 2022)."""
  return at('features', 'ladder')


def side4video() -> Method:
  """A spatio-temporal side network (Yao et al. 2023)."""
  return at('features', 'side4video')


def losa() -> Method:
  """Low-rank side adaptation (Mercea et al. 2024)."""
  return at('features', 'losa')
