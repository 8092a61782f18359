"""Batches of pictures, as augmentation gets them."""

import numpy as np

SIDE = 48


def seeds(count):
  return np.stack([np.arange(count), np.full(count, 7)], 1).astype(np.uint32)


def make_batch(contents, boxes=None):
  """Returns a batch of contents [t, h, w, 3], at the top left of squares."""
  count, frames = len(contents), contents[0].shape[0]
  video = np.zeros((count, frames, SIDE, SIDE, 3), np.uint8)
  for clip, content in zip(video, contents):
    clip[:, : content.shape[1], : content.shape[2]] = content
  batch = {
    'video': video,
    'size': np.array([c.shape[1:3] for c in contents], np.int32),
    'seed': seeds(count),
  }
  if boxes is not None:
    batch['boxes'] = np.array(boxes, np.float32)
    batch['box_valid'] = np.ones(batch['boxes'].shape[:2], bool)
  return batch


def noise(height, width, frames=2, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(1, 256, (frames, height, width, 3), np.uint8)
