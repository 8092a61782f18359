"""What `bench.py` measures: presets, methods, and the clips of a step."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any

# Before each row, on a line of what measures.
ROW = 'ROW '
METHODS = ('full', 'lora', 'adaptformer', 'patt', 'st_adapter', 'head')
# Clips of a step, for 80 GB.
BATCHES = {
  'videomae_b': 32, 'videomae_l': 16, 'mae_b': 32, 'mae_l': 16,
  'augreg_b': 32, 'augreg_l': 16, 'dinov2_s': 32, 'dinov2_b': 24,
  'clip_b16': 32, 'clip_l14': 12, 'vivit_b': 16, 'vivit_l': 4,
  'vivit_b_joint': 16, 'swin_t': 16, 'swin_s': 12, 'swin_b': 8,
  'swin_b_ssv2': 8, 'i3d': 16, 'r3d_18': 64, 'r2plus1d_18': 32, 'c3d': 64,
}  # fmt: skip
# On a CPU: clips of a step, and what they are.
SMALL = {'batch': 2, 'frames': 8, 'resolution': 112}
SMALL_OF = {
  'i3d': {'batch': 1, 'frames': 16, 'resolution': 224},
  'c3d': {'frames': 16},
  'swin_b': {'batch': 1},
}


CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


@dataclasses.dataclass(frozen=True)
class Asked:
  """How steps are measured.

  Attributes:
    clock: whose time it is, one of `CLOCKS`; None is 'cpu' on a CPU.
    compiled: whether PyTorch's steps, compiled, are beside them.
    eager: whether those that are not compiled are.
    seconds: of a turn.
    turns: of each side.
  """

  clock: str | None
  compiled: bool
  eager: bool
  seconds: float
  turns: int


@dataclasses.dataclass(frozen=True)
class Case:
  """A row.

  Attributes:
    preset: of the backbone.
    method: that adapts it.
    batch: clips of a step.
    dtype: of the computation.
    small: whether clips are small.
    scan: whether blocks that are alike are compiled once.
  """

  preset: str
  method: str
  batch: int
  dtype: str
  small: bool
  scan: bool = False

  @property
  def name(self) -> str:
    more = ' small' * self.small + ' scan' * self.scan
    return f'{self.preset} {self.method} {self.batch} {self.dtype}{more}'

  def config(self) -> Any:
    from vidpetl.studies import series  # noqa: PLC0415

    argument = f'backbone={self.preset},method={self.method},data=kinetics400'
    if self.small:
      clip = small(self.preset)
      argument += f',frames={clip["frames"]},resolution={clip["resolution"]}'
    fields = {
      'dtype': self.dtype,
      'batch_size': self.batch,
      'tasks.kinetics400.num_classes': 400,
    }
    config = series.load('configs/adapt.py', argument, fields)
    if 'remat' in config.backbone:
      config.backbone.remat = False
    if self.scan:
      config.backbone.scan = True
    return config


def small(preset: str) -> dict[str, int]:
  """Returns clips of a step, their frames and side, for a CPU."""
  return SMALL | SMALL_OF.get(preset, {})


def clips(preset: str, is_small: bool) -> int:
  """Returns the clips of a step, if nothing is said of them."""
  return small(preset)['batch'] if is_small else BATCHES.get(preset, 8)


def failed(case: Case, error: str) -> dict[str, Any]:
  """Returns the row of a case that has no figures."""
  return {**dataclasses.asdict(case), 'name': case.name, 'error': error}


class Kept:
  """Rows in a json, each in the place of one of the same name.

  Attributes:
    rows: name -> row.
  """

  def __init__(self, path: pathlib.Path, about: Mapping[str, Any]):
    """Reads those that are there.

    Args:
      path: of the json, whose folder is made.
      about: what the rows are of.
    """
    self._path, self._about = path, about
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(path.read_text())['rows'] if path.exists() else ()
    self.rows = {row['name']: row for row in found}

  def add(self, row: Mapping[str, Any]) -> None:
    """Writes the json with one more row."""
    from vidpetl import durable  # noqa: PLC0415

    self.rows[row['name']] = row
    written = {**self._about, 'rows': list(self.rows.values())}
    durable.write(self._path, json.dumps(written, indent=1) + '\n')
