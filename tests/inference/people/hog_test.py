"""OpenCV's people detector on people who are drawn, and what it lacks."""

import types

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from vidpetl.data.annotations import boxes as pairs
from vidpetl.inference.people.detectors import hog, loading

pytest.importorskip('cv2')


def street(height, width, x=0.5):
  """Draws a person who stands, 0.6 of the frame tall; returns frame and box."""
  # Twice as large, so that edges come out soft.
  image = PIL.Image.new('RGB', (2 * width, 2 * height), (190, 190, 185))
  draw = PIL.ImageDraw.Draw(image)
  tall = 1.2 * height
  at = lambda u, v: (2 * width * x + u * tall, 0.4 * height + v * tall)
  dark = (40, 40, 60)
  draw.ellipse([*at(-0.06, 0), *at(0.06, 0.14)], fill=(90, 60, 50))
  draw.polygon(
    [at(-0.13, 0.17), at(0.13, 0.17), at(0.1, 0.52), at(-0.1, 0.52)], dark
  )
  for side in (-1, 1):
    arm = [at(side * 0.14, 0.2), at(side * 0.17, 0.5)]
    leg = [at(side * 0.05, 0.5), at(side * 0.08, 0.98)]
    draw.line(arm, dark, round(0.06 * tall))
    draw.line(leg, dark, round(0.09 * tall))
  frame = np.asarray(image.resize((width, height), PIL.Image.Resampling.BOX))
  w = 0.2 * tall / width / 2
  return frame, np.float32((x - w, 0.2, x + w, 0.8))


@pytest.mark.parametrize('size', [(1080, 1920), (120, 160), (640, 360)])
def test_a_person_is_found_at_any_size(size):
  frame, box = street(*size)
  boxes, scores = loading.load('hog')(frame)
  assert boxes.dtype == scores.dtype == np.float32
  assert pairs.iou(boxes[0], box) > 0.5 and scores[0] > 0.5


def test_nobody_is_found_on_an_empty_wall():
  boxes, scores = loading.load('hog')(np.full((200, 300, 3), 128, np.uint8))
  assert boxes.shape == (0, 4) and scores.shape == (0,)


def test_a_frame_smaller_than_the_window_is_an_error():
  with pytest.raises(ValueError, match='side=100'):
    loading.load('hog:side=100')


def test_an_opencv_without_the_detector_says_which_has_it(monkeypatch):
  monkeypatch.setattr(hog, 'cv2', types.SimpleNamespace(__version__='5.0.0'))
  with pytest.raises(ValueError, match="pip install 'opencv-python<5'"):
    loading.load('hog')


def test_a_missing_package_names_the_command(monkeypatch):
  class Missing:
    def __getattr__(self, name):
      raise ImportError('no module named cv2')

  monkeypatch.setattr(hog, 'cv2', Missing())
  with pytest.raises(ValueError, match=r"pip install 'vidpetl\[predict\]'"):
    loading.load('hog')
