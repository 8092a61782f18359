"""Which pixels of a video a model sees.

A frame is resized once, as a whole, and the square that the model sees is cut
out of it. Training and test resize to the same shorter side S, and cut the same
R x R, unless training draws a scale, a share of the frame, or one of several
sizes: these are drawn in the source's frame, so that no crop is enlarged from a
square that was already shrunk.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, NamedTuple

import numpy as np

from vidpetl import options, ranges
from vidpetl.data import samplers

RESIZES = ('pad', 'crop', 'stretch')
INTERPOLATIONS = ('bilinear', 'bicubic')
# Draws of a share of the frame, of which the first that fits is taken.
_TRIES = 10
# Where TSN's crops may lie, in quarters of the room there is: corners, centre,
# middles of the edges, and the quarters between.
_PLACES = (
  *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
  *((2, 0), (2, 4), (4, 2), (0, 2)),
  *((1, 1), (1, 3), (3, 1), (3, 3)),
)

# Ranges: (low, high).
_Sides = Annotated[tuple[ranges.Count, ranges.Count], ranges.Rising()]
_Parts = Annotated[tuple[ranges.Part, ranges.Part], ranges.Rising()]
_Ratios = Annotated[tuple[ranges.Positive, ranges.Positive], ranges.Rising()]


class Window(NamedTuple):
  """A part of a frame that is resized as a whole; all in pixels.

  Attributes:
    whole: height and width of the whole frame, resized.
    top: where the part begins.
    left: where the part begins.
    rows: of the part.
    columns: of the part.
  """

  whole: tuple[int, int]
  top: int
  left: int
  rows: int
  columns: int

  def of(self, resized: np.ndarray) -> np.ndarray:
    """Returns the part of a frame [height, width, 3] in the size `whole`."""
    return resized[
      self.top : self.top + self.rows, self.left : self.left + self.columns
    ]


@dataclasses.dataclass(frozen=True)
class Framing:
  """How frames become squares.

  Attributes:
    resolution: R, side of the square that the model sees.
    resize: 'pad' makes the longer side R, and pads; 'crop' makes the shorter
      side S and cuts out R x R; 'stretch' makes frames `stretch`, whatever
      their shape, and cuts out R x R.
    short_side: S; None is R. Training and test alike.
    stretch: (height, width), of 'stretch'.
    scale: of training, with 'crop': S is drawn from low to high, whole pixels.
    area: of training, with 'crop': a share of the frame's area from low to high
      is resized to R x R (random-resized-crop).
    ratio: range of the width over the height of `area`, drawn log-uniformly.
    sizes: of training, with 'crop': height and width of the crop are two
      neighbouring ones of these shares of the shorter side, largest first, in
      one of 13 places (multi-scale crop of TSN, Wang et al. 2016).
    centred: of training: squares are cut out of the middle, as in a test.
    interpolation: 'bilinear' or 'bicubic'.
  """

  resolution: ranges.Count = 224
  resize: Annotated[str, ranges.OneOf(RESIZES)] = 'pad'
  short_side: ranges.Count | None = None
  stretch: tuple[ranges.Count, ranges.Count] | None = None
  scale: _Sides | None = None
  area: _Parts | None = None
  ratio: _Ratios = (3 / 4, 4 / 3)
  sizes: tuple[ranges.Part, ...] = ()
  centred: bool = False
  interpolation: Annotated[str, ranges.OneOf(INTERPOLATIONS)] = 'bilinear'

  def __post_init__(self):
    # A config's lists, so that equal settings stay equal and hashable.
    for field in ('stretch', 'scale', 'area', 'ratio', 'sizes'):
      if getattr(self, field) is not None:
        object.__setattr__(self, field, tuple(getattr(self, field)))
    options.hold_fields(self, '')
    self._check_sizes()
    self._check_draws()

  def _check_sizes(self) -> None:
    if (self.resize == 'stretch') != (self.stretch is not None):
      raise ValueError(
        f'resize={self.resize!r} and stretch={self.stretch}: the latter is '
        "(height, width) of resize='stretch'"
      )
    if self.stretch is not None and min(self.stretch) < self.resolution:
      raise ValueError(
        f'stretch={self.stretch} holds no square of '
        f'resolution={self.resolution}'
      )
    if self.short_side is not None and (
      self.resize != 'crop' or self.short_side < self.resolution
    ):
      raise ValueError(
        f"short_side={self.short_side} needs resize='crop', and at least "
        f'resolution={self.resolution}'
      )

  def _check_draws(self) -> None:
    drawn = [n for n in ('scale', 'area', 'sizes') if getattr(self, n)]
    if len(drawn) > 1 or (drawn and self.resize != 'crop'):
      raise ValueError(
        f"{' and '.join(drawn)}: one of them, with resize='crop'"
      )
    if self.centred and (self.area or self.sizes):
      raise ValueError(f'centred=True and {drawn[0]}: only one of them')
    if self.scale and self.scale[0] < self.resolution:
      raise ValueError(
        f'scale={self.scale}: it must begin at resolution={self.resolution} or '
        'above'
      )

  @property
  def side(self) -> int:
    """S."""
    return self.short_side or self.resolution

  @property
  def source_side(self) -> int:
    """Shorter side of a video, in pixels, that a test enlarges in no case.

    S; with 'pad' R, though of a wide frame less would do; with 'stretch' the
    shorter side of what is stretched to.
    """
    return min(self.stretch) if self.stretch else self.side

  def test(self, height: int, width: int, crops: int) -> list[Window]:
    """Returns the windows of a test on a frame, `crops` of them."""
    whole = self.resized(height, width)
    if self.resize == 'pad':
      return [Window(whole, 0, 0, *whole)]
    slack = np.array(whole) - self.resolution
    if crops == 1:
      return [self._square(whole, slack // 2)]
    # Both ends and the middle of the longer side, in the middle of the other.
    corners = np.tile(slack // 2, (3, 1))
    longer = int(np.argmax(whole))
    corners[0, longer], corners[2, longer] = 0, slack[longer]
    return [self._square(whole, corner) for corner in corners]

  def train(self, height: int, width: int, draws: samplers.Draws) -> Window:
    """Returns the window of a training clip, drawn."""
    if self.resize == 'pad':
      return self.test(height, width, 1)[0]
    if self.area is not None:
      sides, begin = self._share(height, width, draws)
      return self._stretched(height, width, sides, begin)
    if self.sizes:
      sides, begin = self._of_sizes(height, width, draws)
      return self._stretched(height, width, sides, begin)
    whole = self.resized(height, width, draws)
    slack = np.array(whole) - self.resolution
    corner = np.array([0.5, 0.5])
    if not self.centred:
      corner = draws.uniform(2, 'corner')
    return self._square(whole, np.floor(corner * (slack + 1)).astype(int))

  def resized(
    self, height: int, width: int, draws: samplers.Draws | None = None
  ) -> tuple[int, int]:
    """Returns height and width of a whole frame, before anything is cut.

    The side that counts becomes exactly R or S, the other is rounded.
    """
    if self.resize == 'stretch':
      return self.stretch
    side, reference = self.side, min(height, width)
    if self.resize == 'pad':
      reference = max(height, width)
    if self.scale is not None and draws is not None:
      low, high = self.scale
      side = low + int(draws.uniform(1, 'scale')[0] * (high - low + 1))

    def scaled(length: int) -> int:
      return max(1, (2 * length * side + reference) // (2 * reference))

    return scaled(height), scaled(width)

  def _square(self, whole: tuple[int, int], corner: np.ndarray) -> Window:
    top, left = (int(c) for c in corner)
    return Window(whole, top, left, self.resolution, self.resolution)

  def _stretched(
    self, height: int, width: int, sides: np.ndarray, begin: np.ndarray
  ) -> Window:
    """Returns the window that shows a rectangle of the frame as the square.

    Args:
      height: of the frame.
      width: of the frame.
      sides: height and width of the rectangle, in the frame's pixels.
      begin: where it begins.
    """
    zoom = self.resolution / sides
    whole = np.maximum(
      np.round(np.array([height, width]) * zoom), self.resolution
    ).astype(int)
    corner = np.minimum(np.round(begin * zoom), whole - self.resolution)
    return self._square(tuple(whole.tolist()), corner)

  def _share(
    self, height: int, width: int, draws: samplers.Draws
  ) -> tuple[np.ndarray, np.ndarray]:
    """Draws a random-resized-crop.

    Share of the area and ratio are drawn until they fit into the frame. If none
    of 10 draws does, the crop is the largest one in the middle whose ratio is
    in the range.

    Returns:
      Height and width, and where it begins, in whole pixels of the frame.
    """
    frame = np.array([height, width])
    shares, ratios, corner = np.split(
      draws.uniform(2 * _TRIES + 2, 'area'), [_TRIES, 2 * _TRIES]
    )
    low, high = self.area
    areas = (low + (high - low) * shares) * height * width
    low, high = np.log(self.ratio)
    ratios = np.exp(low + (high - low) * ratios)
    tried = np.round(np.sqrt(np.stack([areas / ratios, areas * ratios], 1)))
    fits = ((tried > 0) & (tried <= frame)).all(1)
    if fits.any():
      sides = tried[np.argmax(fits)]
      return sides, np.floor(corner * (frame - sides + 1))
    sides = np.round(
      [
        min(height, width / self.ratio[0]),
        min(width, height * self.ratio[1]),
      ]
    )
    return sides, (frame - sides) // 2

  def _of_sizes(
    self, height: int, width: int, draws: samplers.Draws
  ) -> tuple[np.ndarray, np.ndarray]:
    """Draws a multi-scale crop; returns as `_share` does."""
    n = len(self.sizes)
    pairs = [
      (i, j) for i in range(n) for j in range(n) if abs(i - j) <= 1
    ]  # fmt: skip
    which, where = draws.uniform(2, 'sizes')
    pair = pairs[int(which * len(pairs))]
    short = min(height, width)
    sides = np.array([int(short * self.sizes[k]) for k in pair])
    slack = np.array([height, width]) - sides
    quarters = np.array(_PLACES[int(where * len(_PLACES))])
    return sides, quarters * (slack // 4)
