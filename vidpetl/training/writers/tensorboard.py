"""TensorBoard: curves, pictures, texts, and its tab HParams."""

from __future__ import annotations

from etils import epy

from vidpetl.training.writers import about as about_lib

with epy.lazy_imports():  # It brings TensorFlow and Keras.
  from clu import metric_writers

  from vidpetl.training.writers import event_files


def check() -> None:
  """It always works."""


def build(about: about_lib.About) -> metric_writers.MetricWriter:
  """Returns the writer of a run."""
  return event_files.TensorBoard(about)
