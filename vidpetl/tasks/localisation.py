"""Action localisation: what each person of a keyframe does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl.data import clips, examples, frames
from vidpetl.data.annotations import keyframes
from vidpetl.metrics import columns, frame_map, frame_map_result
from vidpetl.tasks import drawing, heads, linear
from vidpetl.tasks import task as task_lib

KIND = 'localisation'


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
    pictures: validation keyframes to draw.
  """

  label_smoothing: float = 0.0
  pool: tuple[int, int] = (7, 7)
  sampling_ratio: int = 0
  spatial_pool: str = 'max'
  protocols: tuple[str, ...] = ('2019', 'slowfast')
  pictures: int = 4

  def head(self) -> heads.LocalisationHead:
    return heads.LocalisationHead(
      **self.classifier(),
      pool=self.pool,
      sampling_ratio=self.sampling_ratio,
      spatial_pool=self.spatial_pool,
    )

  def read(self, head, features, inputs, train):
    size = inputs['video'].shape[-3:-1]
    valid = None
    if train and 'box_valid' in inputs:
      valid = inputs['box_valid'] & inputs['valid'][:, None]
    return head(features, inputs['boxes'], size, train, valid)

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

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    for i, scores in zip(rows['index'], rows['scores']):
      self._scores[int(i)] = scores
    self._results = None

  def evaluate(self) -> list[frame_map_result.Result]:
    """Returns the result under each of the task's protocols."""
    if self._results is None:  # Scalars and table share what takes seconds.
      self._results = [
        self._evaluate(columns.PROTOCOLS[name]) for name in self._task.protocols
      ]
    return self._results

  def _evaluate(self, protocol: columns.Protocol) -> frame_map_result.Result:
    truth, detections, excluded = self._columns(protocol)
    return frame_map.evaluate(
      truth,
      detections,
      self._classes,
      protocol,
      excluded if protocol.exclusions else (),
    )

  def _columns(self, protocol: columns.Protocol):
    """Annotations and predictions as the evaluator takes them."""
    images, annotated, excluded = [], [], []
    truth, found = _People(), _People()
    for i in range(len(self._source)):
      keyframe = self._source[i]
      key = columns.image_key(keyframe.video_id, keyframe.timestamp, protocol)
      images.append(key)
      if keyframe.excluded:
        excluded.append(key)
      if len(keyframe.boxes) or keyframe.annotated:
        truth.add(len(annotated), keyframe.boxes, keyframe.actions)
        annotated.append(key)
      if i in self._scores:
        boxes, _ = self._shown.select(keyframe)
        found.add(i, boxes, self._scores[i][: len(boxes)])
    return (
      columns.GroundTruth.from_actions(annotated, *truth.arrays()),
      columns.DenseDetections(images, *found.arrays()),
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
      drawn[keyframe.id] = self._draw(i, keyframe)
    return drawn

  def _draw(self, i: int, keyframe: keyframes.Keyframe) -> np.ndarray:
    names = self._source.info.classes
    selected = self._shown.select(keyframe)
    people = []
    for box, actions, scores in zip(*selected, self._scores[i]):
      best = sorted(names, key=lambda a: -scores[a])[:3]
      lines = [(f'{names[a]} {scores[a]:.2f}', bool(actions[a])) for a in best]
      people.append((box, lines))
    truth = [
      (box, [names[a] for a in np.flatnonzero(actions) if a in names])
      for box, actions in zip(keyframe.boxes, keyframe.actions)
    ]
    video, fps = self._source.video(i), self._source.info.fps
    with frames.open_video(video, keyframe.id, fps) as opened:
      times = np.array([keyframe.time])
      frame = opened.read(times, lambda h, w: (h, w))[0]
    return drawing.boxed_frame(frame, people, truth)

  def result(self) -> dict[str, float]:
    main, *others = self.evaluate()
    scalars = {'mAP': main.mean_ap}
    scalars |= {f'mAP_{k}': v for k, v in main.groups.items()}
    scalars |= {f'mAP_{o.protocol}': o.mean_ap for o in others}
    return scalars

  def per_class(self) -> list[dict[str, Any]]:
    main, *_ = self.evaluate()
    return [
      {'class': self._classes[i], 'ap': ap, 'truth': main.num_gt[i]}
      for i, ap in main.ap_by_class.items()
    ]

  def report(self) -> str:
    main, *others = self.evaluate()
    lines = [frame_map_result.table(main, self._classes)]
    lines += [f'protocol {o.protocol}: {100 * o.mean_ap:.2f}' for o in others]
    if cut := self._shown.count_dropped(self._source):
      lines.append(f'{cut} boxes beyond eval_clip.max_boxes were not scored')
    return '\n'.join(lines)


class _People:
  """Boxes of one image after another, gathered into columns."""

  def __init__(self):
    self._image, self._boxes, self._values = [], [], []

  def add(self, image: int, boxes: np.ndarray, values: np.ndarray) -> None:
    self._image.append(np.full(len(boxes), image))
    self._boxes.append(boxes)
    self._values.append(values)

  def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
      np.concatenate(self._image),
      np.concatenate(self._boxes),
      np.concatenate(self._values),
    )
