"""FLOPs of views and of steps, and accuracy over them (MST-Adapter, Fig. 2)."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval
from matplotlib import figure

from vidpetl import tables
from vidpetl.backbones import devices
from vidpetl.experiment import complete
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import style

# Area of the bubble of the most trained parameters, in points^2; no bubble is
# too small to be seen.
_LARGEST, _SMALLEST = 1400.0, 25.0


def forward(config: Any) -> dict[str, float]:
  """Returns FLOPs of one view of each task's test clips, forward.

  Args:
    config: of a run, or what its config.json holds.
  """
  config = complete.complete(config)
  infos = experiment_lib.infos(config)
  return of_experiment(experiment_lib.build(config, infos))


def of_experiment(experiment: experiment_lib.Experiment) -> dict[str, float]:
  """Returns what `forward` does.

  Counted by XLA before it optimises, a multiply-add as two.
  """
  found = {}
  for name, task in experiment.tasks.items():
    inputs = experiment_lib.model_inputs(task, 1, experiment.dtype, train=False)
    predict = functools.partial(experiment.model.apply, task=name)
    lowered = jax.jit(predict).lower(experiment.variables, inputs)
    found[name] = float(lowered.cost_analysis()['flops'])
  return found


@dataclasses.dataclass(frozen=True)
class Product:
  """A matrix product or a convolution of a program.

  Attributes:
    kind: 'dense'; 'batched', of which each row has its own matrix, as in an
      attention; or 'convolution'.
    flops: of it; a multiply-add counts as two.
    bytes: of its operands and its result.
  """

  kind: str
  flops: int
  bytes: int


def products(function: Callable, *args) -> int:
  """Returns the FLOPs of all that `each_product` yields."""
  return sum(product.flops for product in each_product(function, *args))


def each_product(function: Callable, *args) -> Iterator[Product]:
  """Yields the matrix products and convolutions of a function.

  What no output needs is left out, and so are the zeros between the elements
  of a strided convolution's gradient. Nothing is computed. What is recomputed
  to save memory counts as often as it is made, and attention counts as it is
  written out, whatever kernel a device has.

  Args:
    function: of arrays.
    *args: trees of arrays or of their shapes.
  """
  with devices.meant(devices.ANY):
    traced = jax.make_jaxpr(function)(*args).jaxpr
  traced, _ = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
  for eqn in traced.eqns:
    yield from _equation(eqn, 1)


def _equation(eqn: core.JaxprEqn, times: int) -> Iterator[Product]:
  """Yields what an equation multiplies, `times` as much of it."""
  name = eqn.primitive.name
  if name in ('dot_general', 'conv_general_dilated'):
    arrays = [atom.aval for atom in (*eqn.invars, *eqn.outvars)]
    size = sum(x.size * x.dtype.itemsize for x in arrays)
    if name == 'dot_general':
      (contracted, _), (rows, _) = eqn.params['dimension_numbers']
      shape = eqn.invars[0].aval.shape
      depth = math.prod(shape[axis] for axis in contracted)
      kind = 'batched' if rows else 'dense'
      flops = 2 * eqn.outvars[0].aval.size * depth
    else:
      kind, flops = 'convolution', _convolution(eqn)
    yield Product(kind, times * flops, times * size)
    return
  times *= eqn.params['length'] if name == 'scan' else 1
  inner = [
    [product for each in jaxpr.eqns for product in _equation(each, times)]
    for jaxpr in within(eqn)
  ]
  if name == 'cond' and inner:  # Of which one runs: forms for each platform.
    inner = [max(inner, key=lambda found: sum(p.flops for p in found))]
  yield from itertools.chain.from_iterable(inner)


def _convolution(eqn: core.JaxprEqn) -> int:
  kernel = eqn.invars[1].aval
  out = eqn.params['dimension_numbers'].rhs_spec[0]
  per_output = kernel.size // kernel.shape[out]
  dilation = math.prod(eqn.params['lhs_dilation'])
  return 2 * eqn.outvars[0].aval.size * per_output // dilation


def within(eqn: core.JaxprEqn) -> Iterator[core.Jaxpr]:
  """Yields the functions that an equation calls."""
  for value in jax.tree.leaves(
    list(eqn.params.values()),
    is_leaf=lambda x: isinstance(x, (core.Jaxpr, core.ClosedJaxpr)),
  ):
    if isinstance(value, (core.Jaxpr, core.ClosedJaxpr)):
      yield getattr(value, 'jaxpr', value)


@dataclasses.dataclass(frozen=True)
class Point:
  """A setting, measured.

  Attributes:
    name: of it.
    flops: of one view, forward.
    trained: parameters.
    values: of the metric, one per seed.
  """

  name: str
  flops: float
  trained: int
  values: tuple[float, ...]


def draw(points: Sequence[Point], metric: str) -> figure.Figure:
  """Draws the metric over GFLOPs; a bubble's area is what trains.

  Args:
    points: at least one.
    metric: '<task>/<metric>', a share of 1.
  """
  picture = figure.Figure((7.5, 4.6), layout='constrained')
  axes = picture.subplots()
  most = max(point.trained for point in points)
  for number, point in enumerate(points):
    area = max(_SMALLEST, _LARGEST * point.trained / max(most, 1))
    colour = style.line(number)['color']
    marker = style.MARKERS[number // len(style.COLOURS) % len(style.MARKERS)]
    x, y = point.flops / 1e9, 100 * float(np.mean(point.values))
    if len(point.values) > 1:
      spread = 100 * tables.std(point.values)
      axes.errorbar(x, y, spread, color=colour, capsize=3, lw=1.0, zorder=1)
    axes.scatter(
      x, y, s=area, color=colour, alpha=0.55, edgecolors=colour, marker=marker,
      zorder=2 + 1 / (1 + area),  # A small one lies upon a large one.
      label=f'{point.name}: {millions(point.trained)}',
    )  # fmt: skip
    axes.plot(x, y, '.', color='black', ms=3, zorder=3)
  _scale(axes, [point.flops / 1e9 for point in points])
  axes.margins(y=0.2)
  axes.grid(alpha=0.25, which='both', lw=0.5)
  axes.set_xlabel('GFLOPs of one view, forward')
  axes.set_ylabel(f'{metric}, %')
  legend = style.legend(
    picture, title='trained parameters (area)', title_fontsize=8
  )
  for handle in legend.legend_handles:
    handle.set_sizes([40.0])
  return picture


def _scale(axes, sizes: Sequence[float]) -> None:
  """Leaves room for bubbles; a wide range is shown by its logarithm."""
  if max(sizes) > 4 * min(sizes):
    axes.set_xscale('log')
    axes.margins(x=0.15)
  else:
    room = 0.25 * (max(sizes) - min(sizes)) or 0.1 * max(sizes)
    axes.set_xlim(min(sizes) - room, max(sizes) + room)


def millions(count: int) -> str:
  """Returns '18.0 M' or '9.4 k'."""
  return f'{count / 1e6:.1f} M' if count >= 1e5 else f'{count / 1e3:.1f} k'
