"""Lines and points as SVG, in the colours of the page that they are on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from vidpetl import markup

_WIDTH, _HEIGHT = 400, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 8, 38  # margins
_TICKS = 5
_MOST = 300  # points of a line; of more, every so many
_FEW = 40  # points that are marked


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of a chart.

  Attributes:
    name: in the legend.
    x: [n].
    y: [n], finite.
    colour: number of it.
    dashed: whether it is.
  """

  name: str
  x: Sequence[float]
  y: Sequence[float]
  colour: int = 0
  dashed: bool = False


def lines(title: str, found: Sequence[Line], x_name: str) -> str:
  """Returns a chart of lines, with a legend if there are several.

  Args:
    title: below the chart; says what y is.
    found: lines, with a point at least among them.
    x_name: below the axis.
  """
  axes = _Axes(
    np.concatenate([np.asarray(line.x, float) for line in found]),
    np.concatenate([np.asarray(line.y, float) for line in found]),
    from_zero=True,
  )
  shapes = [_line(axes, line) for line in found]
  legend = ''
  if len(found) > 1:
    legend = f'<div class="legend">{" ".join(map(_key, found))}</div>'
  return _figure(axes.frame(x_name) + ''.join(shapes), title, legend)


def scatter(
  title: str,
  x: np.ndarray,
  y: np.ndarray,
  names: Sequence[str],
  axis_names: tuple[str, str],
) -> str:
  """Returns points, and the diagonal on which both values are the same."""
  both = np.concatenate([x, y])
  axes = _Axes(both, both, from_zero=False)
  low, high = axes.x_range
  shapes = [
    f'<line x1="{axes.x(low):.1f}" y1="{axes.y(low):.1f}" '
    f'x2="{axes.x(high):.1f}" y2="{axes.y(high):.1f}" '
    'stroke="var(--dim)" stroke-dasharray="4 4"/>'
  ]
  shapes += [
    f'<circle cx="{axes.x(a):.1f}" cy="{axes.y(b):.1f}" r="3.5" '
    f'fill="var(--c0)" fill-opacity=".6"><title>{markup.text(name)}: '
    f'{a:.4g}, {b:.4g}</title></circle>'
    for a, b, name in zip(x, y, names)
  ]
  frame = axes.frame(axis_names[0])
  return _figure(frame + ''.join(shapes), f'{title}: {axis_names[1]}', '')


def _line(axes: _Axes, line: Line) -> str:
  some = slice(None, None, max(1, math.ceil(len(line.x) / _MOST)))
  places = [(axes.x(a), axes.y(b)) for a, b in zip(line.x[some], line.y[some])]
  colour = f'var(--c{line.colour % markup.COLOURS})'
  dashes = ' stroke-dasharray="5 3"' if line.dashed else ''
  joined = ' '.join(f'{a:.1f},{b:.1f}' for a, b in places)
  shapes = [
    f'<polyline points="{joined}" fill="none" stroke="{colour}" '
    f'stroke-width="1.8" stroke-linejoin="round"{dashes}/>'
  ]
  if len(places) <= _FEW:
    shapes += [
      f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{colour}">'
      f'<title>{markup.text(line.name)}: {y:.4g} at {x:g}</title></circle>'
      for (a, b), x, y in zip(places, line.x[some], line.y[some])
    ]
  return ''.join(shapes)


def _key(line: Line) -> str:
  colour = f'var(--c{line.colour % markup.COLOURS})'
  how = (
    f'class="key dashed" style="border-color:{colour}"'
    if line.dashed
    else f'class="key" style="background:{colour}"'
  )
  return f'<span><span {how}></span>{markup.text(line.name)}</span>'


def _figure(shapes: str, title: str, legend: str) -> str:
  return (
    f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="11.5" '
    f'role="img" aria-label="{markup.text(title)}">{shapes}</svg>'
    f'<figcaption>{legend}{markup.text(title)}</figcaption></figure>'
  )


class _Axes:
  """Where values are on the chart."""

  def __init__(self, x: np.ndarray, y: np.ndarray, from_zero: bool):
    """Takes all values; the first axis may begin at zero in any case."""
    self.x_range = _range(x, from_zero)
    self.y_range = _range(y, False)

  def x(self, value: float) -> float:
    low, high = self.x_range
    return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

  def y(self, value: float) -> float:
    low, high = self.y_range
    high_part = (value - low) / (high - low)
    return _HEIGHT - _BOTTOM - high_part * (_HEIGHT - _TOP - _BOTTOM)

  def frame(self, x_name: str) -> str:
    """Returns axes, grid and numbers."""
    left, right, base = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    shapes = []
    for value in ticks(*self.y_range):
      y = self.y(value)
      shapes.append(
        f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="var(--line)"/><text x="{left - 6}" y="{y + 4:.1f}" '
        f'text-anchor="end">{value:g}</text>'
      )
    shapes += [
      f'<text x="{self.x(value):.1f}" y="{base + 16}" '
      f'text-anchor="middle">{value:g}</text>'
      for value in ticks(*self.x_range)
    ]
    shapes.append(
      f'<line x1="{left}" x2="{right}" y1="{base}" y2="{base}" '
      f'stroke="var(--dim)"/><text x="{(left + right) / 2}" y="{_HEIGHT - 5}" '
      f'text-anchor="middle">{markup.text(x_name)}</text>'
    )
    return ''.join(shapes)


def _range(values: np.ndarray, from_zero: bool) -> tuple[float, float]:
  """Returns the ends of an axis, which are apart."""
  low, high = float(values.min()), float(values.max())
  if from_zero:
    low = min(low, 0.0)
    return low, high if high > low else low + 1
  room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
  return low - room, high + room


def ticks(low: float, high: float) -> list[float]:
  """Returns round numbers from `low` to `high`, about five."""
  step = 10.0 ** math.floor(math.log10((high - low) / _TICKS))
  parts = (high - low) / step - 1e-9
  step *= next(f for f in (1, 2, 5, 10) if parts / f <= _TICKS)
  first = math.ceil(low / step - 1e-9)
  last = math.floor(high / step + 1e-9)
  return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]
