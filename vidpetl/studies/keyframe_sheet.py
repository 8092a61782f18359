"""The keyframes on which a run does worst and best, with truth and guesses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vidpetl import mistakes
from vidpetl.data import decode, examples, sources
from vidpetl.data.annotations import keyframes
from vidpetl.data.names import plural, shown
from vidpetl.experiment import complete
from vidpetl.metrics import ava_csv, columns, matching
from vidpetl.studies import clip_sheet, contact_sheet
from vidpetl.studies.recorded import Recorded
from vidpetl.tasks import distillation, localisation

# A score counts as at least this, and at most one minus it: a person who was
# not found is as bad as one whose actions are surely missed, and no worse.
_FLOOR = 0.01
_LINE, _INK = 20, (29, 36, 48)


@dataclasses.dataclass(frozen=True)
class Found:
  """The people of a keyframe as predictions on file have them.

  Attributes:
    boxes: [n, 4].
    scores: [n, c], of the classes that were evaluated.
  """

  boxes: np.ndarray
  scores: np.ndarray


@dataclasses.dataclass(frozen=True)
class Ranked:
  """A keyframe of an evaluation.

  Attributes:
    loss: mean over the annotated people; see `rank`.
    row: of the source.
    people: box [4], actions [c] that it is annotated with, scores [c] of each
      person that was found; c are all classes of the source.
    missed: how many annotated people were not found.
    count: how many people are annotated.
  """

  loss: float
  row: int
  people: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
  missed: int
  count: int

  @property
  def title(self) -> str:
    """What is wrong, in words."""
    people = plural(self.count, 'person', 'people')
    missed = f', {self.missed} not found' if self.missed else ''
    return f'loss {self.loss:.2f}, {people}{missed}'


def read(
  run: Recorded,
  task: str,
  protocol: columns.Protocol,
  classes: Sequence[int],
  step: int | None = None,
) -> dict[str, Found]:
  """Returns the people that were found, by `columns.image_key`.

  Args:
    run: with predictions on file.
    task: of it.
    protocol: by which its images are told apart, the task's first.
    classes: indices of those that are evaluated, in their order.
    step: of the evaluation; None is that of results.json.

  Raises:
    ValueError: if the file has other classes.
  """
  path = run.predictions_file(task, step)
  rows = ava_csv.read_detections(path, protocol)
  width = len(classes)
  ids = np.asarray(classes) + 1
  if len(rows.image) % width or (rows.class_id.reshape(-1, width) != ids).any():
    raise ValueError(
      f'{path} has other classes than the data: it must hold the ids '
      f'{ids.tolist()} of each person. Evaluate the run again with '
      '--config.mode=eval.'
    )
  # A person's rows follow each other, one of each class.
  image, boxes = rows.image[::width], rows.boxes[::width]
  scores = rows.score.reshape(-1, width)
  order = np.argsort(image, kind='stable')
  ends = np.searchsorted(image[order], np.arange(1, len(rows.images)))
  return {
    key: Found(boxes[some], scores[some])
    for key, some in zip(rows.images, np.split(order, ends), strict=True)
  }


def rank(
  source: examples.Source,
  found: Mapping[str, Found],
  protocol: columns.Protocol,
) -> list[Ranked]:
  """Returns the keyframes with annotated people, worst first.

  The loss of a keyframe is the mean over its annotated people of

    -sum_a [y_a log p_a + (1 - y_a) log(1 - p_a)],  0.01 <= p_a <= 0.99,

  over the evaluated actions a, where p are the scores of the box that was
  found for the person: pairs of the largest overlap first, of an IoU of 0.5 at
  least. Of a person who was not found, p_a = 0.01. What was found besides does
  not count.

  Args:
    source: that was evaluated.
    found: see `read`.
    protocol: by which images are told apart.
  """
  ranked = []
  for row in range(len(source)):
    keyframe = source[row]
    if not len(keyframe.boxes) or keyframe.excluded:
      continue
    key = columns.image_key(keyframe.video_id, keyframe.timestamp, protocol)
    ranked.append(
      _judge(row, keyframe, found.get(key), sorted(source.info.classes))
    )
  return sorted(ranked, key=lambda each: each.loss, reverse=True)


def _judge(
  row: int,
  keyframe: keyframes.Keyframe,
  found: Found | None,
  classes: Sequence[int],
) -> Ranked:
  found = found or Found(np.zeros((0, 4)), np.zeros((0, len(classes))))
  pairs = match(keyframe.boxes, found.boxes)
  p = np.zeros((len(keyframe.boxes), len(classes)))
  actions = np.zeros((len(found.boxes), keyframe.actions.shape[1]), bool)
  scores = np.zeros(actions.shape)
  scores[:, classes] = found.scores
  for person, box in pairs.items():
    p[person] = found.scores[box]
    actions[box] = keyframe.actions[person]
  p = np.clip(p, _FLOOR, 1 - _FLOOR)
  right = np.where(keyframe.actions[:, classes], p, 1 - p)
  count = len(keyframe.boxes)
  return Ranked(
    float(-np.log(right).sum(1).mean()),
    row,
    tuple(zip(found.boxes, actions, scores)),
    count - len(pairs),
    count,
  )


def match(truth: np.ndarray, found: np.ndarray) -> dict[int, int]:
  """Returns annotated person -> found one, pairs of the largest IoU first.

  Args:
    truth: boxes [n, 4].
    found: boxes [m, 4].
  """
  n, m = len(truth), len(found)
  overlap = matching.pairwise_iou(
    np.repeat(truth, m, axis=0), np.tile(found, (n, 1))
  ).reshape(n, m)
  pairs: dict[int, int] = {}
  for at in np.argsort(-overlap, axis=None, kind='stable'):
    person, box = divmod(int(at), m)
    if overlap[person, box] < matching.IOU_THRESHOLD:
      break
    if person not in pairs and box not in pairs.values():
      pairs[person] = box
  return pairs


def open_ranked(
  run: Recorded, task: str, step: int | None = None
) -> tuple[examples.Source, list[Ranked]]:
  """Returns the keyframes of a test, and those with people, worst first.

  Args:
    run: whose data are where its config says.
    task: of the run.
    step: of the evaluation; None is that of results.json.

  Raises:
    ValueError, OSError: if nobody is annotated in the data, or if these or the
      predictions are gone.
  """
  options = complete.complete(run.config).tasks[task]
  source = sources.open_source(options.eval)
  built = distillation.build(task, options.to_dict(), source.info)
  protocol = columns.PROTOCOLS[built.protocols[0]]
  classes = sorted(source.info.classes)
  every = rank(source, read(run, task, protocol, classes, step), protocol)
  if not every:
    raise ValueError(f'{source.info.name}: nobody is annotated, none is wrong.')
  return source, every


def draw(
  run: Recorded, task: str, count: int, step: int | None = None
) -> Image.Image:
  """Draws so many of the worst keyframes, and of the best.

  Args:
    run: whose data are where its config says.
    task: of the run.
    count: of keyframes of each.
    step: of the evaluation; None is that of results.json.

  Raises:
    ValueError, OSError: as `open_ranked` does.
  """
  source, every = open_ranked(run, task, step)
  worst, best = clip_sheet.choose(every, count)
  sheets = {f'{task}, worst': worst, f'{task}, best': best}
  return contact_sheet.arrange(
    {name: list(_pictures(chosen, source)) for name, chosen in sheets.items()}
  )


def _pictures(
  chosen: Sequence[Ranked], source: examples.Source
) -> Iterator[Image.Image]:
  """Yields keyframes below a line that says what is wrong with them."""
  for each in chosen:
    try:
      frame = localisation.draw_keyframe(source, each.row, each.people)
    except decode.DecodeError as error:
      mistakes.note(f'left out, cannot be decoded: {error}')
      continue
    title = f'{each.title}: {shown(source[each.row].id)}'
    picture = Image.new(
      'RGB', (frame.shape[1], frame.shape[0] + _LINE), (255, 255, 255)
    )
    font = ImageFont.load_default(14)
    text = contact_sheet.fitting(title, font, picture.width)
    ImageDraw.Draw(picture).text((0, 0), text, _INK, font)
    picture.paste(Image.fromarray(frame), (0, _LINE))
    yield picture
