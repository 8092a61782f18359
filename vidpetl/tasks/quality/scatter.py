"""The picture of predicted scores over those that judges gave."""

from __future__ import annotations

import numpy as np
from etils import epy

from vidpetl.tasks import drawing

with epy.lazy_imports():  # Pictures are drawn when a run ends.
  from matplotlib import figure


def draw(predicted: np.ndarray, true: np.ndarray, title: str) -> np.ndarray:
  """Returns a scatter plot, uint8 [480, 480, 3].

  Args:
    predicted: scores [n], finite; n at least 1.
    true: scores [n], finite.
    title: of one line.
  """
  picture = figure.Figure(figsize=(4.8, 4.8), dpi=100, layout='constrained')
  axes = picture.subplots()
  both = np.concatenate([predicted, true])
  ends = [both.min(), both.max()]
  axes.plot(ends, ends, color='0.7', lw=1)  # Where both are the same.
  axes.scatter(true, predicted, s=14, alpha=0.7)
  axes.set_xlabel('score')
  axes.set_ylabel('predicted score')
  axes.set_title(title, fontsize=9)
  axes.grid(alpha=0.25, lw=0.5)
  return drawing.pixels(picture)
