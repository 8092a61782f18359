"""OpenCV's people detector: what is there when nothing better is.

Histograms of oriented gradients in a window of 64x128 pixels, by a linear SVM
(Dalal and Triggs, CVPR 2005). It finds people who stand upright and are seen
whole, one in two at best, and sees them in lamp posts. It needs no file.
"""

from __future__ import annotations

import numpy as np
import scipy.special
from etils import epy

from vidpetl.inference.people import extras
from vidpetl.inference.people.detectors import contract
from vidpetl.inference.people.tracked import Detect

with epy.lazy_imports():
  import cv2

# Pixels of the shorter side at which films are looked at. A person of the
# window is about 96 pixels tall: one fifth of a film's height.
_SIDE = 480
# Shares of the window around the person on each side: the training pictures
# have 16 pixels, of which arms and feet take some.
_MARGIN = np.array([0.15, 0.08])
# From one size of the window to the next.
_STEP = 1.05


def _open(spec: str, side: int = _SIDE) -> Detect:
  """Opens the detector.

  Args:
    spec: 'hog'.
    side: pixels of the shorter side to which frames are brought first; larger
      finds smaller people and takes longer.
  """
  del spec
  if side < 128:
    raise ValueError(f'--detector=hog: side={side}; its window is of 64x128')
  with extras.needed('opencv-python', 'has the HOG detector', 'predict'):
    made = getattr(cv2, 'HOGDescriptor', None)
  if made is None:
    raise ValueError(
      f'--detector=hog: OpenCV {cv2.__version__} has none any more; '
      "pip install 'opencv-python<5' (or 'opencv-python-headless<5')"
    )
  hog = made()
  hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
  return lambda frame: _detect(hog, frame, side)


def _detect(hog, frame, side: int) -> tuple[np.ndarray, np.ndarray]:
  height, width = frame.shape[:2]
  factor = side / min(height, width)
  size = round(width * factor), round(height * factor)
  way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
  resized = cv2.resize(frame, size, interpolation=way)
  windows, margins = hog.detectMultiScale(
    resized, winStride=(8, 8), padding=(8, 8), scale=_STEP
  )
  windows = np.reshape(windows, (-1, 4)).astype(float)
  corner, extent = windows[:, :2], windows[:, 2:]
  low = corner + _MARGIN * extent
  high = corner + (1 - _MARGIN) * extent
  boxes = np.concatenate([low, high], 1) / np.tile(size, 2)
  # The SVM's distance has no unit; its border, 0, becomes 0.5.
  scores = scipy.special.expit(np.reshape(margins, -1).astype(float))
  return contract.cleaned(boxes, scores, suppress=True)


DETECTOR = contract.Detector(
  title="'hog', OpenCV's people detector",
  takes=lambda spec: spec == 'hog',
  open=_open,
)
