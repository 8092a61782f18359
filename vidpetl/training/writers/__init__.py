"""Where a run's curves, pictures and settings go; one writer per module.

metrics.jsonl is always written. `config.writers` names the others: a writer is
a module here with `build`, which takes an `About` and returns a
`clu.metric_writers.MetricWriter`, and `check`, which raises a ValueError if it
cannot work on this machine.

Tags below `REPORTED` are a run's last words, one value of each metric; all
other tags are curves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath, epy

from vidpetl import parts
from vidpetl.data import tensorflow_start
from vidpetl.training.writers import about, behind, json_lines

with epy.lazy_imports():  # It brings TensorFlow.
  from clu import metric_writers

FIELD = 'config.writers'
REPORTED = 'reported/'
# Texts that a run writes each time that it starts, in place of earlier ones.
AT_START = ('config', 'parameters')


def check(names: Sequence[str]) -> None:
  """Refuses what cannot be written to.

  Args:
    names: of writers.

  Raises:
    ValueError: if there is none of a name, with those there are; if its package
      is missing, with the command that installs it.
  """
  for name in names:
    _load(name).check()


def create(
  workdir: epath.Path,
  names: Sequence[str] = (),
  config: Mapping[str, Any] | None = None,
  *,
  resumed_at: float = math.inf,
) -> behind.Behind:
  """Returns the writer of a run: metrics.jsonl, and those that are named.

  It opens them in its thread, once it begins.

  Args:
    workdir: of the run.
    names: of writers.
    config: of the run, as config.json holds it.
    resumed_at: step behind which lines are dropped: they will be written again.
      What is there of other steps is written no second time.
  """
  path = workdir / json_lines.FILE
  sent, there = json_lines.forget_after(path, resumed_at)
  told = about.About(workdir, config or {}, sent, resumed_at)
  builds = [_load(name).build for name in names]

  def connect():
    tensorflow_start.load()
    lines = json_lines.JsonLines(path, there)
    return metric_writers.MultiWriter([lines, *(b(told) for b in builds)])

  return behind.Behind(connect)


def silent() -> behind.Silent:
  """The writer of all processes but the first."""
  return behind.Silent()


def as_images(pictures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """[h, w, 3] uint8 each -> [1, h, w, 3], as CLU wants them."""
  return {name: picture[None] for name, picture in pictures.items()}


def as_reported(metrics: Mapping[str, float]) -> dict[str, float]:
  """'<task>/<metric>' each -> what a run reports."""
  return {f'{REPORTED}{name}': value for name, value in metrics.items()}


def is_reported(tag: str) -> bool:
  """Returns whether a tag is one of a run's last words."""
  return tag.startswith(REPORTED)


def _load(name: str) -> Any:
  return parts.load(sys.modules[__name__], name, 'build', FIELD)
