"""Action localisation: what each person of a keyframe does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import mistakes, ranges
from vidpetl.backbones import features as features_lib
from vidpetl.data import clips, decode, examples, frames
from vidpetl.metrics import (
  ava_csv,
  ava_labels,
  ava_parts,
  columns,
  frame_map,
  frame_map_result,
  predictions,
)
from vidpetl.tasks import drawing, heads, linear
from vidpetl.tasks import task as task_lib

KIND = 'localisation'
_BEST = 3  # Actions of a person that are drawn.


Protocols = Annotated[
  tuple[Annotated[str, ranges.OneOf(columns.PROTOCOLS)], ...], ranges.Filled()
]


@dataclasses.dataclass(frozen=True)
class Localisation(linear.Linear):
  """Multi-label classification of person boxes.

  z_j = ROI-Align(z^L, p_j), y_j = W z_j (Arnab et al. 2022, eq. 1 and 2). The
  loss is binary cross-entropy, summed over classes and averaged over boxes;
  the target is y (1 - a) + a / c for label smoothing a.

  Attributes:
    label_smoothing: a.
    pool: cells of ROI-Align.
    sampling_ratio: samples per cell and axis; 0 adapts to the box.
    spatial_pool: 'max' or 'mean' over the cells.
    protocols: of `vidpetl.metrics.columns`; the first is 'mAP', the others are
      reported beside it.
    parts: of AVA-Kinetics, whose mAP is reported alone as well: 'ava' and
      'kinetics', by the first protocol.
    pictures: validation keyframes to draw.
  """

  label_smoothing: ranges.Share = 0.0
  pool: tuple[ranges.Count, ranges.Count] = (7, 7)
  sampling_ratio: ranges.Natural = 0
  spatial_pool: Annotated[str, ranges.OneOf(heads.POOLS)] = 'max'
  protocols: Protocols = ('2019', 'slowfast')
  parts: tuple[Annotated[str, ranges.OneOf(ava_parts.PARTS)], ...] = ()
  pictures: ranges.Natural = 4

  def head(self) -> heads.LocalisationHead:
    return heads.LocalisationHead(
      **self.classifier(),
      pool=self.pool,
      sampling_ratio=self.sampling_ratio,
      spatial_pool=self.spatial_pool,
    )

  def read(self, head, features, inputs, train):
    size = self._size(train)
    valid = None
    if train and 'box_valid' in inputs:
      valid = inputs['box_valid'] & inputs['valid'][:, None]
    return head(features, inputs['boxes'], size, train, valid)

  def digest(self, head, features, inputs):
    """Returns what ROI-Align pools of each box, or what the probe reads."""
    if type(head) is not heads.LocalisationHead:
      return super().digest(head, features, inputs)
    if self.probe:
      return self.probe.digest(features)
    # Clips of training and of tests are as large as each other.
    regions = head.regions(features, inputs['boxes'], self._size(False))
    return features_lib.Features(None, None, regions=regions)

  def digest_options(self):
    if type(self.head()) is not heads.LocalisationHead:
      return super().digest_options()
    if self.probe:  # It pools of what is kept.
      return {}
    names = ('pool', 'sampling_ratio', 'spatial_pool')
    return {name: getattr(self, name) for name in names}

  def _size(self, train: bool) -> tuple[int, int]:
    """Returns (height, width) of the network's input, in pixels."""
    clip = self.train_clip if train else self.eval_clip
    return clip.resolution, clip.resolution

  def head_inputs(self, clip: clips.ClipSpec) -> dict[str, Any]:
    return {'boxes': ((clip.kind.max_boxes, 4), jnp.float32)}

  def loss(self, logits, batch):
    """Logits [b, n, c] against actions [b, n, c]; see `Base.loss`."""
    targets = optax.smooth_labels(batch['actions'], self.label_smoothing)
    losses = optax.sigmoid_binary_cross_entropy(
      logits.astype(jnp.float32), targets
    ).sum(-1)
    person = batch['box_valid'] & batch['valid'][:, None]
    return jnp.where(person, losses, 0.0).sum(), person.sum() * 1.0, {}

  def outputs(self, logits, batch):
    """logits [b, n, c]."""
    del batch
    return {'scores': jax.nn.sigmoid(logits.astype(jnp.float32))}

  def metric(self, source: examples.Source) -> FrameMap:
    return FrameMap(source, self)

  def protocol(self) -> dict[str, Any]:
    clip = self.eval_clip
    return task_lib.clip_protocol(clip) | {
      'boxes': clip.kind.boxes,
      'min_score': clip.kind.min_score,
      'max_boxes': clip.kind.max_boxes,
      'frame_map': list(self.protocols),
    }


build = Localisation


class FrameMap:
  """Frame-mAP of what came back, against the annotations of the source."""

  def __init__(self, source: examples.Source, task: Localisation):
    self._source = source
    self._task = task
    self._shown = task.eval_clip.kind
    self._scores: dict[int, np.ndarray] = {}
    self._classes = {i + 1: n for i, n in source.info.classes.items()}
    self._results: list[frame_map_result.Result] | None = None
    self._parts: dict[str, float] = {}
    more = (
      *ava_labels.groups(self._classes),
      *task.protocols[1:],
      *task.parts,
    )
    self.names = dict.fromkeys(['mAP', *(f'mAP_{name}' for name in more)], 1)

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    for i, scores in zip(rows['index'], rows['scores']):
      self._scores[int(i)] = scores
    self._results = None

  def evaluate(self) -> list[frame_map_result.Result]:
    """Returns the result under each of the task's protocols."""
    if self._results is None:  # Scalars and table share what takes seconds.
      first, *_ = protocols = [
        columns.PROTOCOLS[name] for name in self._task.protocols
      ]
      self._results = [self._evaluate(protocol) for protocol in protocols]
      self._parts = {
        part: self._evaluate(first, part).mean_ap for part in self._task.parts
      }
    return self._results

  def predictions(self) -> predictions.Predictions:
    """Returns detections of the evaluated classes, as evaluators read them."""
    protocol = columns.PROTOCOLS[self._task.protocols[0]]
    _, detections, _ = self._columns(protocol)
    return predictions.Predictions(
      ava_csv.detection_columns(detections, sorted(self._classes)),
      header=False,
    )

  def _evaluate(
    self, protocol: columns.Protocol, part: str = ''
  ) -> frame_map_result.Result:
    truth, detections, excluded = self._columns(protocol, part)
    return frame_map.evaluate(
      truth,
      detections,
      self._classes,
      protocol,
      excluded if protocol.exclusions else (),
    )

  def _columns(self, protocol: columns.Protocol, part: str = ''):
    """Annotations and predictions as the evaluator takes them.

    Args:
      protocol: decides how images are told apart.
      part: whose keyframes alone are meant; '' for all.
    """
    images, annotated, excluded = [], [], []
    truth, found = _People(), _People()
    for i in range(len(self._source)):
      keyframe = self._source[i]
      if part and ava_parts.part(keyframe.timestamp) != part:
        continue
      key = columns.image_key(keyframe.video_id, keyframe.timestamp, protocol)
      images.append(key)
      if keyframe.excluded:
        excluded.append(key)
      if len(keyframe.boxes) or keyframe.annotated:
        truth.add(len(annotated), keyframe.boxes, keyframe.actions)
        annotated.append(key)
      if i in self._scores:
        boxes, _ = self._shown.select(keyframe)
        found.add(len(images) - 1, boxes, self._scores[i][: len(boxes)])
    classes = self._source.info.num_classes
    return (
      columns.GroundTruth.from_actions(annotated, *truth.arrays(classes)),
      columns.DenseDetections(images, *found.arrays(classes)),
      excluded,
    )

  def pictures(self) -> dict[str, np.ndarray]:
    """Returns keyframes, evenly spread over the set, with boxes and labels."""
    evaluated = sorted(self._scores)
    chosen = np.linspace(
      0, len(evaluated) - 1, min(self._task.pictures, len(evaluated))
    )
    drawn = {}
    for i in (evaluated[round(c)] for c in chosen):
      keyframe = self._source[i]
      people = zip(*self._shown.select(keyframe), self._scores[i])
      try:
        drawn[keyframe.id] = draw_keyframe(self._source, i, people)
      except decode.DecodeError as error:
        # It need not be among the frames that the model was shown.
        mistakes.note(f'A keyframe is not drawn: {error}.')
    return drawn

  def result(self) -> dict[str, float]:
    main, *others = self.evaluate()
    scalars = {'mAP': main.mean_ap}
    scalars |= {f'mAP_{k}': v for k, v in main.groups.items()}
    scalars |= {f'mAP_{o.protocol}': o.mean_ap for o in others}
    return scalars | {f'mAP_{k}': v for k, v in self._parts.items()}

  def per_class(self) -> list[dict[str, Any]]:
    main, *_ = self.evaluate()
    return [
      {
        'index': i - 1,
        'class': self._classes[i],
        'ap': ap,
        'truth': main.num_gt[i],
      }
      for i, ap in main.ap_by_class.items()
    ]

  def report(self) -> str:
    main, *others = self.evaluate()
    lines = [frame_map_result.table(main, self._classes)]
    lines += [f'protocol {o.protocol}: {100 * o.mean_ap:.2f}' for o in others]
    lines += [
      f'keyframes of {part} alone: {100 * ap:.2f}'
      for part, ap in self._parts.items()
    ]
    if cut := self._shown.count_dropped(self._source):
      lines.append(f'{cut} boxes beyond eval_clip.max_boxes were not scored')
    return '\n'.join(lines)


def draw_keyframe(
  source: examples.Source,
  i: int,
  people: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> np.ndarray:
  """Draws a keyframe with its annotated people, and those that were found.

  Args:
    source: of keyframes.
    i: row of the keyframe.
    people: that were found: box [4], actions [c] that they are annotated with,
      and scores [c], of which the three best are shown.

  Returns:
    uint8 [h, w, 3].

  Raises:
    decode.DecodeError: if the video cannot be read.
  """
  keyframe, names = source[i], source.info.classes
  found = []
  for box, actions, scores in people:
    best = sorted(names, key=lambda a: -scores[a])[:_BEST]
    lines = [(f'{names[a]} {scores[a]:.2f}', bool(actions[a])) for a in best]
    found.append((box, lines))
  truth = [
    (box, [names[a] for a in np.flatnonzero(actions) if a in names])
    for box, actions in zip(keyframe.boxes, keyframe.actions)
  ]
  with frames.open_video(source.video(i), keyframe.id, source.info.fps) as film:
    frame = film.read(np.array([keyframe.time]), lambda h, w: (h, w))[0]
  return drawing.boxed_frame(frame, found, truth)


class _People:
  """Boxes of one image after another, gathered into columns."""

  def __init__(self):
    self._image, self._boxes, self._values = [], [], []

  def add(self, image: int, boxes: np.ndarray, values: np.ndarray) -> None:
    self._image.append(np.full(len(boxes), image))
    self._boxes.append(boxes)
    self._values.append(values)

  def arrays(self, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns image [n], boxes [n, 4] and values [n, c]."""
    if not self._image:
      return np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, c))
    return (
      np.concatenate(self._image),
      np.concatenate(self._boxes),
      np.concatenate(self._values),
    )
