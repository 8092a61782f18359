"""The HOG detector on a photograph of people, which ultralytics carries."""

import numpy as np
import PIL.Image
import pytest
import registry

from vidpetl.data.annotations import boxes as pairs
from vidpetl.inference.people.detectors import loading

pytestmark = pytest.mark.real
# Who stands upright and is seen whole, as fractions.
MAN = (0.06, 0.36, 0.25, 0.84)


def test_hog_finds_a_man_in_the_street(tmp_path):
  folder = registry.install(tmp_path, 'ultralytics==8.4.190')
  picture = PIL.Image.open(folder / 'ultralytics/assets/bus.jpg')
  boxes, scores = loading.load('hog')(np.asarray(picture.convert('RGB')))
  assert scores[0] > 0.7
  assert pairs.iou(boxes[0], np.float32(MAN)) > 0.6
