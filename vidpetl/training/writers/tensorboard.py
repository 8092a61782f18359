"""TensorBoard's events, through CLU, with its tab HParams filled.

Curves are in the working directory. What compares runs is in its folder
`reported`: hyperparameters, and one value of each metric. A table in HParams
thus has these columns, and not every curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from clu import metric_writers
from tensorboard.plugins.hparams import api as hparams_api

from vidpetl.training import writers
from vidpetl.training.writers import about as about_lib

FOLDER = 'reported'


def check() -> None:
  """It always works."""


def build(about: about_lib.About) -> metric_writers.MetricWriter:
  """Returns the writer of a run, in a thread of its own."""
  return metric_writers.AsyncWriter(TensorBoard(about))


class TensorBoard(metric_writers.SummaryWriter):
  """Writes events; videos it leaves out, as CLU does."""

  def __init__(self, about: about_lib.About):
    super().__init__(str(about.workdir))
    self._name = about.name
    # An empty file of events would be one more run to look at.
    self._folder = str(about.workdir / FOLDER)
    self._reported: Any = None

  def _compared(self) -> Any:
    if self._reported is None:
      self._reported = tf.summary.create_file_writer(self._folder)
    return self._reported

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    prefix = writers.REPORTED
    curves = {k: v for k, v in scalars.items() if not k.startswith(prefix)}
    super().write_scalars(step, curves)
    if len(curves) < len(scalars):
      with self._compared().as_default():
        for tag in scalars.keys() - curves.keys():
          name = tag.removeprefix(prefix)
          tf.summary.scalar(name, scalars[tag], step=step)

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    """Begins a row of the table, which no run of other folders shares."""
    with self._compared().as_default():
      hparams_api.hparams(dict(hparams), trial_id=self._name)

  def flush(self) -> None:
    super().flush()
    if self._reported is not None:
      self._reported.flush()

  def close(self) -> None:
    super().close()
    if self._reported is not None:
      self._reported.close()
