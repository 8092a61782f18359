"""What MST-Adapters learned of their branches: weight by layer (Figure 7)."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import figure, ticker

from vidpetl.petl import adapted

_START = 0.33  # Of all weights, see `mst_adapter`.


@dataclasses.dataclass(frozen=True)
class Fusion:
  """One adapter's weights of its branches.

  Attributes:
    adapter: which of a block's: 'attn_residual/MSTAdapter'.
    layer: number of the block, from 1.
    weights: kernel (t, h, w) -> weight.
  """

  adapter: str
  layer: int
  weights: Mapping[tuple[int, ...], float]


def read(
  params: Mapping[str, np.ndarray], places: Sequence[adapted.Place]
) -> list[Fusion]:
  """Finds all learned fusion weights of a model.

  Args:
    params: by path, 'backbone/…/site_attn_residual/MSTAdapter/fusion'. The
      kernels of an adapter are the sizes of its convolutions.
    places: `adapted.sites` of the backbone. Layers are counted along all that
      have the site, whether something is bound there or not.

  Returns:
    In the order in which they act; empty if there are none.
  """
  found = []
  layers = collections.Counter()
  for place in places:
    layers[place.name] += 1
    where = '/'.join(filter(None, ('backbone', place.path)))
    for technique in place.techniques:
      scope = f'{where}/site_{place.name}/{technique}'
      if (fusion := params.get(f'{scope}/fusion')) is None:
        continue
      weights = {
        params[f'{scope}/conv_{i}/kernel'].shape[:3]: float(weight)
        for i, weight in enumerate(fusion)
      }
      adapter = f'{place.name}/{technique}'
      found.append(Fusion(adapter, layers[place.name], weights))
  return found


def draw(found: Sequence[Fusion]) -> figure.Figure:
  """Draws weight by layer, a panel per adapter and a line per kernel."""
  panels: dict[str, list[Fusion]] = {}
  for fusion in found:
    panels.setdefault(fusion.adapter, []).append(fusion)
  picture = figure.Figure((3.8 * len(panels) + 0.4, 3.2), layout='constrained')
  row = picture.subplots(1, len(panels), sharey=True, squeeze=False)[0]
  for axes, (adapter, members) in zip(row, panels.items()):
    kernels = dict.fromkeys(k for m in members for k in m.weights)
    for kernel in kernels:
      points = [
        (m.layer, m.weights[kernel]) for m in members if kernel in m.weights
      ]
      label = ' x '.join(map(str, kernel))
      axes.plot(*zip(*points), 'o-', lw=1.2, ms=4, label=label)
    axes.axhline(_START, color='0.6', lw=0.8, ls=':', zorder=0)
    axes.set_title(adapter, fontsize=10)
    axes.set_xlabel('layer')
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.grid(alpha=0.25, lw=0.5)
  row[0].set_ylabel('fusion weight')
  row[-1].legend(
    title='kernel t x h x w', fontsize=8, title_fontsize=8, loc='best'
  )
  return picture
