"""TensorBoard's events, through CLU, with its tab HParams filled.

Curves are in the working directory. What compares runs is in its folder
`reported`: hyperparameters, and one value of each metric. A table in HParams
thus has these columns, and not every curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from clu import metric_writers
from tensorboard.plugins.hparams import api as hparams_api

from vidpetl.training import writers
from vidpetl.training.writers import about as about_lib
from vidpetl.training.writers import events

FOLDER = 'reported'


class TensorBoard(metric_writers.SummaryWriter):
  """Writes events; videos it leaves out, as CLU does."""

  def __init__(self, about: about_lib.About):
    self._name, self._until = about.name, about.resumed_at
    # An empty file of events would be one more run to look at.
    self._folder = about.workdir / FOLDER
    self._reported: Any = None
    self._there = {
      '': events.keep(about.workdir, self._stays),
      writers.REPORTED: events.keep(self._folder, self._stays),
    }
    super().__init__(str(about.workdir))

  def _stays(self, step: int, tag: str) -> bool:
    """Whether a point is kept that was written before."""
    # What a run says of itself at its start, it says again.
    if self._until < math.inf and (
      tag in writers.AT_START or tag.startswith('_hparams_/')
    ):
      return step < self._until and tag in writers.AT_START
    return step <= self._until

  def _new(self, step: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those that are not there yet, of curves, texts or pictures."""
    there = self._there['']
    # A picture's tag gets a number behind it if there are several.
    return {k: v for k, v in values.items() if (step, k) not in there}

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    super().write_texts(step, self._new(step, texts))

  def write_images(self, step: int, images: Mapping[str, Any]) -> None:
    super().write_images(step, self._new(step, images))

  def _compared(self) -> Any:
    if self._reported is None:
      self._reported = tf.summary.create_file_writer(str(self._folder))
    return self._reported

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    prefix = writers.REPORTED
    curves = {k: v for k, v in scalars.items() if not k.startswith(prefix)}
    super().write_scalars(step, self._new(step, curves))
    reported = {
      name: scalars[tag]
      for tag in scalars.keys() - curves.keys()
      if (step, name := tag.removeprefix(prefix)) not in self._there[prefix]
    }
    if reported:
      with self._compared().as_default():
        for name, value in reported.items():
          tf.summary.scalar(name, value, step=step)

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
