"""At which size training and tests of each recipe see the world."""

import numpy as np
import pytest

from vidpetl.data import clip_spec, framing, samplers
from vidpetl.recipes import crops, named
from vidpetl.tasks import task as task_lib

FRAME = 360, 640  # height, width
DRAWS = 1000

# Config -> by how much larger an object is on average in training than in a
# test, where the recipe's own code makes it so.
RECIPES = {
  # Scale jitter of 0.65 to 1.1 (Arnab et al. 2022, A.1).
  'cofinetune_ava': 0.875,
  # Kinetics of the same batch.
  'cofinetune_ava:with=kinetics400': 0.875,
  # The mean of 1 / size over TSN's ten pairs of sizes.
  'vpetl': 1.241,
  'vpetl:dataset=hmdb51': 1.241,
  # A shorter side of 256 to 320 in training, of 256 in a test.
  'mst_adapter': 1.125,
  # A shorter side of 224 to 258, of 224 in a test.
  'st_adapter': 1.076,
  'adapt:data=hmdb51_1': 1.125,
  'pecop_aqa:head=core': 1.0,
  'pecop_aqa:head=musdl': 1.0,
  'pecop_aqa:dataset=jigsaws,task=suturing,head=musdl': 1.0,
  'pecop_aqa:dataset=finediving,head=tsa': 1.0,
  'pecop_pretrain': 1.0,
}


def _framings(argument):
  """Yields each task's framing in training and test, and its scale jitter."""
  for task in named.load(argument).tasks.values():
    kind = task_lib.module(task.task).KIND
    of = lambda fields, kind=kind: clip_spec.ClipSpec.of(fields, kind).framing
    clip = dict(task.clip)
    test = {**clip, **task.get('eval_clip', {})}
    jitter = task.augment.get('scale_jitter', (0.65, 1.1))
    yield of(clip), of(test), np.mean(jitter) if jitter else 1.0


def _windows(how, frame=FRAME, count=DRAWS):
  return [
    how.train(*frame, samplers.Draws(np.array([i, 1], np.uint32)))
    for i in range(count)
  ]


def _zoom(windows, frame=FRAME):
  """Returns the mean size of an object on the input, by that in the frame."""
  zooms = np.array([window.whole for window in windows]) / frame
  return np.sqrt(zooms.prod(1)).mean()


@pytest.mark.parametrize('argument', RECIPES)
def test_training_sees_objects_as_large_as_a_test_does(argument):
  """Or as much larger as the original code has them."""
  for train, test, jitter in _framings(argument):
    larger = jitter * _zoom(_windows(train)) / _zoom(test.test(*FRAME, 1))
    assert larger == pytest.approx(RECIPES[argument], rel=0.02)


@pytest.mark.parametrize(
  'argument, low',
  [('self_distillation', 0.25), ('vpetl_images', 0.08), ('aim', 0.08)],
)
def test_shares_of_the_frame_are_of_the_whole_frame(argument, low):
  """Not of a square that was cut before: that is what the originals do."""
  ((train, _, _),) = _framings(argument)
  shares = []
  for window in _windows(train):
    rows, columns = np.array(window[3:]) / np.array(window.whole)
    shares.append(rows * columns)
  assert min(shares) > 0.95 * low and max(shares) > 0.65
  # A square of the shorter side would hold 360 / 640 of the frame at most.
  assert np.mean(np.array(shares) > 360 / 640) > 0.05


def test_no_crop_of_rspnet_is_enlarged():
  """Its films are 320 x 240; a crop of 25 % of them is 139 pixels a side."""
  ((train, _, _),) = _framings('self_distillation')
  for window in _windows(train, (240, 320), 500):
    assert max(window.whole[0] / 240, window.whole[1] / 320) <= 1.0


def test_a_clip_keeps_its_proportions_at_another_resolution():
  clip = {**crops.USUAL, 'frames': 8, 'stretch': None}
  assert crops.at(clip, 112) == {
    'frames': 8,
    'stretch': None,
    'resolution': 112,
    'resize': 'crop',
    'short_side': 128,
    'scale': (128, 160),
  }
  framing.Framing(**crops.at(crops.USUAL, 33))
  stretched = {'resolution': 224, 'resize': 'stretch', 'stretch': (455, 256)}
  assert crops.at(stretched, 56)['stretch'] == (114, 64)
