"""How long frame-mAP takes at the size of AVA's validation set."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np

from vidpetl import tables
from vidpetl.metrics import ava_labels, columns

# AVA v2.2 validation: 64 films, seconds 902 to 1798.
KEYFRAMES = 64 * 897
PEOPLE = 3
CLASSES = 80


def synthetic(
  keyframes: int = KEYFRAMES, seed: int = 0
) -> tuple[columns.GroundTruth, columns.DenseDetections]:
  """Draws people, their actions, and a detector that half knows them.

  Args:
    keyframes: number of images.
    seed: of the generator.

  Returns:
    Ground truth of `PEOPLE` per image, and float32 scores for all classes.
  """
  rng = np.random.default_rng(seed)
  images = [f'film{i // 897:02d},{902 + i % 897:04d}' for i in range(keyframes)]
  image = np.repeat(np.arange(keyframes), PEOPLE)
  corner = rng.uniform(0.0, 0.6, (len(image), 2))
  boxes = np.hstack([corner, corner + rng.uniform(0.1, 0.4, corner.shape)])
  actions = rng.random((len(image), CLASSES)) < 0.02
  found = boxes + rng.normal(0.0, 0.02, boxes.shape)
  logits = rng.normal(0.0, 1.0, actions.shape) + 2.0 * actions - 3.0
  scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
  return (
    columns.GroundTruth.from_actions(images, image, boxes, actions),
    columns.DenseDetections(images, image, found, scores),
  )


def run(evaluate: Callable) -> None:
  """Prints a table of times.

  Args:
    evaluate: `frame_map.evaluate`.
  """
  gt, dets = synthetic()
  class_ids = sorted(ava_labels.HEAD + ava_labels.MID + ava_labels.TAIL)
  rows = len(dets.image) * len(class_ids)
  print(f'{KEYFRAMES} keyframes, {PEOPLE} boxes each, {rows} scores')
  lines = [('protocol', 'seconds', 'mAP', 'peak GiB')]
  for name, protocol in columns.PROTOCOLS.items():
    start = time.process_time()
    result = evaluate(gt, dets, class_ids, protocol)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines.append(
      (name, f'{seconds:.1f}', f'{result.mean_ap:.4f}', f'{peak:.2f}')
    )
  print(tables.columns(lines, '<>>>'))
