"""Where the plate of a box lies: in the frame, and before nobody's face."""

from __future__ import annotations

from collections.abc import Sequence

Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels

# Share of a person's box that is the head.
_HEAD = 0.3
# How bad it is to cover a part of something, by its share of the plate.
_OWN_HEAD, _PLATE, _OTHER_HEAD, _OWN_BOX = 8.0, 4.0, 2.0, 0.3
# How much worse each place is than the one before it, all else being equal.
_LATER = 0.02


def overlap(one: Rectangle, other: Rectangle) -> int:
  """Returns the pixels that two rectangles share."""
  width = min(one[2], other[2]) - max(one[0], other[0])
  height = min(one[3], other[3]) - max(one[1], other[1])
  return max(0, width) * max(0, height)


def head(box: Rectangle) -> Rectangle:
  """Returns the part of a person's box in which the head is."""
  x1, y1, x2, y2 = box
  return x1, y1, x2, y1 + round(_HEAD * (y2 - y1))


def places(
  box: Rectangle, size: tuple[int, int], frame: tuple[int, int], gap: int
) -> list[Rectangle]:
  """Returns where a plate may lie, the usual place first.

  Above the box, below it, beside it, and inside at its bottom; moved so that
  no part of it leaves the frame.

  Args:
    box: of the person.
    size: height and width of the plate.
    frame: height and width of the frame.
    gap: pixels between plate and box.
  """
  x1, y1, x2, y2 = box
  height, width = size
  above, below, left = y1 - height - gap, y2 + gap, x2 - width
  corners = [
    (x1, above),
    (left, above),
    (x1, below),
    (left, below),
    (x2 + gap, y1),
    (x1 - width - gap, y1),
    (x1 + gap, y2 - height - gap),
  ]
  found = []
  for x, y in corners:
    x = max(0, min(x, frame[1] - width))
    y = max(0, min(y, frame[0] - height))
    found.append((x, y, x + width, y + height))
  return found


def cost(
  place: Rectangle,
  box: Rectangle,
  plates: Sequence[Rectangle],
  others: Sequence[Rectangle],
) -> float:
  """Returns how bad a place is.

  Args:
    place: of the plate.
    box: of its person.
    plates: that lie already.
    others: boxes of other people.
  """
  area = max(1, overlap(place, place))
  covered = _OWN_HEAD * overlap(place, head(box))
  covered += _OWN_BOX * overlap(place, box)
  covered += _PLATE * sum(overlap(place, plate) for plate in plates)
  covered += _OTHER_HEAD * sum(overlap(place, head(other)) for other in others)
  return covered / area


def choose(
  found: Sequence[Rectangle],
  box: Rectangle,
  plates: Sequence[Rectangle],
  others: Sequence[Rectangle],
  usual: int | None = None,
) -> int:
  """Returns the number of the best place.

  Args:
    found: places, see `places`.
    box: of the person.
    plates: that lie already.
    others: boxes of other people.
    usual: place that is kept as long as it does not cover the person's head, so
      that plates do not jump.
  """
  if usual is not None and not overlap(found[usual], head(box)):
    return usual
  costs = [
    cost(place, box, plates, others) + _LATER * i
    for i, place in enumerate(found)
  ]
  return costs.index(min(costs))
