"""A source that is a list, and settings of small clips."""

import functools

import numpy as np

from vidpetl.data import clips, examples
from vidpetl.data.annotations.keyframes import Keyframe
from vidpetl.data.kinds.classification import Classified
from vidpetl.data.kinds.quality import Performance

SEED = np.array([1, 2], np.uint32)


class Listed:
  """A source that is a list of (annotation, video)."""

  def __init__(self, kind, items, fps=15, num_classes=3):
    names = {i: str(i) for i in range(num_classes)}
    self.info = examples.Info(
      'listed', 'val', kind, num_classes, names, fps=fps
    )
    self.items = items

  def __len__(self):
    return len(self.items)

  def __getitem__(self, i):
    return self.items[i][0]

  def video(self, i):
    return self.items[i][1]


def keyframe(time, boxes=(), scores=(), truth=()):
  """Returns a keyframe whose box k shows action k % 3 alone."""

  def arrays(rows):
    rows = np.array(rows, np.float32).reshape(-1, 4)
    return rows, np.eye(3, dtype=bool)[np.arange(len(rows)) % 3]

  detections, detected_actions = arrays(boxes)
  truth, actions = arrays(truth)
  return Keyframe(
    f'film,{time}', 'film', f'{time}', time, truth, actions, detections,
    np.array(scores, np.float32), detected_actions,
  )  # fmt: skip


def spec(kind='classification', **options):
  return clips.ClipSpec.of({'frames': 8, 'resolution': 64, **options}, kind)


around = functools.partial(spec, 'localisation')
scored = functools.partial(spec, 'quality')


def classified(path, fps=15, **options):
  return Listed(
    'classification', [(Classified('clip', 2, **options), path)], fps
  )


class Performances(Listed):
  """A source of performances, each the exemplar of all the others."""

  def __init__(self, items, judges=2, steps=2):
    super().__init__('quality', items)
    n = len(items)
    table = {
      'judge_scores': np.zeros((n, judges)),
      'steps': np.zeros((n, steps)),
    }
    self.info = examples.Info(
      'dives', 'train', 'quality', 0, {}, fps=15, table=table
    )
    self.asked = []

  def partners(self, i, by):
    self.asked.append(by)
    return np.array([k for k in range(len(self)) if k != i])


def performance(k, **options):
  fields = {'difficulty': 2.0 + k, 'judge_scores': (7.5, k), **options}
  return Performance(f'dive {k}', 10.0 * k, **fields)
