"""Ground truth, detections and protocols of frame-mAP, as columns of arrays.

Ten million detections are a few arrays, never ten million Python rows.
"""

from __future__ import annotations

import dataclasses
import decimal
from collections.abc import Iterable, Sequence

import numpy as np

from vidpetl.data.annotations import fields


@dataclasses.dataclass(frozen=True)
class Protocol:
  """One of the ways in which AVA results are computed.

  Attributes:
    name: what reports call it.
    fractional_timestamps: images are told apart by the microsecond; otherwise
      by whole seconds.
    cap: labelled boxes that count per image, best scores first; None is all.
    by_score: within an image, detections claim ground truth in order of
      falling score; otherwise in the order in which they are listed.
    unmatched_images: what detections are on images that the ground truth does
      not list: 'fp' (false positives) or 'ignore'.
    exclusions: whether timestamps may be excluded.
    scores_required: a detection without a score is an error; otherwise its
      score is 1.
  """

  name: str
  fractional_timestamps: bool
  cap: int | None
  by_score: bool
  unmatched_images: str
  exclusions: bool
  scores_required: bool = False


PROTOCOLS = {
  # ActivityNet's get_ava_performance.py since May 2020, for AVA-Kinetics.
  '2020': Protocol('2020', True, 50, True, 'ignore', False),
  # The same script as of March 2019, for AVA.
  '2019': Protocol('2019', False, 50, True, 'fp', True),
  # SlowFast and Long-Term Feature Banks, from the script of 2018. It evaluates
  # the arrays as they are; only the csv files that it leaves are rounded.
  'slowfast': Protocol('slowfast', False, None, False, 'fp', True, True),
}


def image_key(video: str, timestamp: str, protocol: Protocol) -> str:
  """Names an image the way `protocol` tells images apart.

  Args:
    video: id of the film.
    timestamp: seconds, as annotation files write them, e.g. '0902'.
    protocol: decides between '{video},0902' and '{video},902.000000'.

  Returns:
    The key; '902', '0902', '15:02' and '902.0' are one image.

  Raises:
    ValueError: not a number, or not whole seconds where those are required.
  """
  seconds = seconds_of(timestamp)
  if protocol.fractional_timestamps:
    return f'{video},{float(seconds):.6f}'
  if seconds != int(seconds):
    raise ValueError(
      f'timestamp "{timestamp}" is not a whole number of seconds, which '
      f'protocol {protocol.name} requires; fractions need protocol 2020.'
    )
  return f'{video},{int(seconds):04d}'


def seconds_of(timestamp: str) -> decimal.Decimal:
  """Returns a timestamp of an annotation file, exactly.

  Raises:
    ValueError: not a number.
  """
  plain = timestamp.strip().replace(',', '.')
  if ':' in plain:
    plain = str(fields.seconds(plain))
  try:
    seconds = decimal.Decimal(plain)
  except decimal.InvalidOperation:
    seconds = decimal.Decimal('nan')
  if not seconds.is_finite():
    raise ValueError(f'timestamp "{timestamp}" is not a number.')
  return seconds


@dataclasses.dataclass(frozen=True)
class GroundTruth:
  """Annotated actions, one per row: a box with two actions is two rows.

  Attributes:
    images: unique keys of the annotated images, those without any action
      included: what is detected on them is false.
    image: int [n], index into `images`.
    boxes: float [n, 4], x1, y1, x2, y2.
    class_id: int [n], from 1.
    lines: int [n], where they are in their file, if they are of one.
  """

  images: Sequence[str]
  image: np.ndarray
  boxes: np.ndarray
  class_id: np.ndarray
  lines: np.ndarray | None = None

  def __post_init__(self):
    _check('GroundTruth', self.images, self.image, self.boxes)
    _check_length('GroundTruth', 'class_id', self.class_id, len(self.image))

  @classmethod
  def from_actions(
    cls,
    images: Sequence[str],
    image: np.ndarray,
    boxes: np.ndarray,
    actions: np.ndarray,
  ) -> GroundTruth:
    """Builds ground truth from people with multi-hot actions.

    Args:
      images: unique image keys, see `GroundTruth`.
      image: int [m], index into `images`.
      boxes: float [m, 4], one per person.
      actions: bool [m, c]; column `a - 1` is class id `a`.
    """
    person, column = np.nonzero(actions)
    return cls(images, image[person], boxes[person], column + 1)


@dataclasses.dataclass(frozen=True)
class Detections:
  """Scored boxes, one class per row.

  Attributes:
    images: unique keys.
    image: int [n], index into `images`.
    boxes: float [n, 4], x1, y1, x2, y2.
    class_id: int [n], from 1.
    score: float [n], larger is surer.
    lines: int [n], where they are in their file, if they are of one.
  """

  images: Sequence[str]
  image: np.ndarray
  boxes: np.ndarray
  class_id: np.ndarray
  score: np.ndarray
  lines: np.ndarray | None = None

  def __post_init__(self):
    _check('Detections', self.images, self.image, self.boxes)
    _check_length('Detections', 'class_id', self.class_id, len(self.image))
    _check_length('Detections', 'score', self.score, len(self.image))

  def rows(self, class_ids: np.ndarray) -> tuple[Rows, int]:
    """Returns the rows of the given classes, and how many others there are."""
    listed = np.flatnonzero(np.isin(self.class_id, class_ids))
    rows = Rows(
      image=self.image[listed],
      box=listed,
      class_id=self.class_id[listed],
      score=self.score[listed],
    )
    return rows, len(self.image) - len(listed)


@dataclasses.dataclass(frozen=True)
class DenseDetections:
  """Boxes that are scored for every class at once: what a model puts out.

  Attributes:
    images: unique keys.
    image: int [m], index into `images`.
    boxes: float [m, 4], x1, y1, x2, y2.
    scores: float [m, c]; column `a - 1` is class id `a`.
  """

  images: Sequence[str]
  image: np.ndarray
  boxes: np.ndarray
  scores: np.ndarray

  def __post_init__(self):
    _check('DenseDetections', self.images, self.image, self.boxes)
    if np.ndim(self.scores) != 2 or len(self.scores) != len(self.image):
      raise ValueError(
        f'DenseDetections.scores must be [{len(self.image)}, classes], is '
        f'{list(np.shape(self.scores))}.'
      )

  def rows(self, class_ids: np.ndarray) -> tuple[Rows, int]:
    """Returns the rows of the given classes, and how many others there are."""
    people, outputs = self.scores.shape
    if class_ids.max() > outputs:
      raise ValueError(
        f'DenseDetections.scores has {outputs} columns, but the label map '
        f'names class {class_ids.max()}; column a - 1 is class id a.'
      )
    rows = Rows(
      # Of half the width, since there are millions.
      image=np.repeat(self.image.astype(np.int32), len(class_ids)),
      box=np.repeat(np.arange(people, dtype=np.int32), len(class_ids)),
      class_id=np.tile(class_ids.astype(np.int32), people),
      score=self.scores[:, class_ids - 1].reshape(-1),
    )
    return rows, people * (outputs - len(class_ids))


@dataclasses.dataclass(frozen=True)
class Rows:
  """Detections of the classes under evaluation, boxes by reference.

  Attributes:
    image: int [n].
    box: int [n], row in the table of boxes.
    class_id: int [n].
    score: float [n].
  """

  image: np.ndarray
  box: np.ndarray
  class_id: np.ndarray
  score: np.ndarray

  def __len__(self) -> int:
    return len(self.image)

  def take(self, keep: np.ndarray) -> Rows:
    """Returns the rows that `keep` (bool [n] or indices) selects."""
    return Rows(
      self.image[keep], self.box[keep], self.class_id[keep], self.score[keep]
    )


def first_repeated(keys: Iterable[str]) -> str | None:
  """Returns the first key that has been there before, if any."""
  seen = set()
  for key in keys:
    if key in seen:
      return key
    seen.add(key)
  return None


def _check(
  what: str, images: Sequence[str], image: np.ndarray, boxes: np.ndarray
) -> None:
  """Checks the columns that all three kinds of table share."""
  repeated = first_repeated(images)
  if repeated is not None:
    raise ValueError(f'{what}.images: "{repeated}" is there twice.')
  if np.ndim(image) != 1 or not np.issubdtype(image.dtype, np.integer):
    raise ValueError(
      f'{what}.image must be integers [n], is {image.dtype}'
      f'{list(np.shape(image))}.'
    )
  if len(image) and not (image.min() >= 0 and image.max() < len(images)):
    raise ValueError(
      f'{what}.image must index the {len(images)} images, but reaches from '
      f'{image.min()} to {image.max()}.'
    )
  if np.shape(boxes) != (len(image), 4):
    raise ValueError(
      f'{what}.boxes must be [{len(image)}, 4], is {list(np.shape(boxes))}.'
    )
  bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
  if len(bad):
    raise ValueError(
      f'{what}.boxes: {len(bad)} are not finite, the first is box {bad[0]} '
      f'({boxes[bad[0]].tolist()}) on image "{images[image[bad[0]]]}".'
    )


def _check_length(what: str, name: str, column: np.ndarray, n: int) -> None:
  if np.shape(column) != (n,):
    raise ValueError(
      f'{what}.{name} must be [{n}], is {list(np.shape(column))}.'
    )
