"""Files of features: npz or safetensors, for whatever reads these.

  summary               [n, (views,) d]           the windows
  grid                  [n, (views,) t, h, w, d]  their tokens
  blocks/<number>/grid  [n, (views,) t, h, w, d]  what a block made
  blocks/<number>/lead  [n, (views,) (t,) m, d]   tokens off the grid, class
                                                  tokens first
  begin, end            [n]                       seconds of the windows
  times                 [n, (views,) t]           seconds of the tokens
  labels/<name>         [...]                     of datasets

`about` says in json what all this is of: an array of one text in an npz, the
metadata in a safetensors file. Views are those of the run's evaluation, or the
segments of a performance.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.inference import model as model_lib
from vidpetl.parameters import storage

FORMATS = ('npz', 'safetensors')
WHAT = ('summary', 'grid', 'blocks')
DTYPES = ('float32', 'float16', 'bfloat16')
ABOUT = 'about'

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Form:
  """How features are written.

  Attributes:
    what: of `WHAT`.
    format: of `FORMATS`.
    dtype: of `DTYPES`; of times it is float64.
  """

  what: Sequence[str] = ('summary',)
  format: str = 'npz'
  dtype: str = 'float32'

  def __post_init__(self):
    for name in self.what:
      if name not in WHAT:
        raise ValueError(f'--what={name}: it is of {", ".join(WHAT)}.')
    if self.format == 'npz' and self.dtype == 'bfloat16':
      raise ValueError(
        '--dtype=bfloat16: npz files have no such type; use '
        '--format=safetensors, or --dtype=float16.'
      )

  def arrays(self, found: model_lib.Features) -> Arrays:
    """Returns the arrays of a film."""
    values = {'summary': found.summary, 'grid': found.grid}
    values = {k: v for k, v in values.items() if k in self.what}
    values |= found.blocks if 'blocks' in self.what else {}
    kind = ml_dtypes.bfloat16 if self.dtype == 'bfloat16' else self.dtype
    return {
      **{name: np.asarray(x).astype(kind) for name, x in values.items()},
      'begin': found.begins,
      'end': found.ends,
      'times': found.times,
    }


def write(
  path: epath.PathLike, arrays: Arrays, about: Mapping[str, Any]
) -> None:
  """Writes a file, whose suffix says which it is."""
  text = json.dumps(about, ensure_ascii=False, sort_keys=True)
  if os.fspath(path).endswith('.npz'):
    with durable.opened(path) as file:
      np.savez(file, **arrays, **{ABOUT: np.array(text)})
    return
  storage.save_arrays(os.fspath(path), arrays, {ABOUT: text})


def about(path: epath.PathLike) -> dict[str, Any] | None:
  """Returns what a file says of itself; None of one that is not whole."""
  try:
    if os.fspath(path).endswith('.npz'):
      with np.load(path) as file:
        return json.loads(str(file[ABOUT]))
    return json.loads(storage.read_metadata(os.fspath(path))[ABOUT])
  except Exception:  # Of zipfile, numpy, safetensors, json: it is made anew.
    return None


def names(films: Sequence[str]) -> list[str]:
  """Returns what the files of films are called, without a suffix.

  Those of folders keep what tells them apart: 'monday/dive' and 'friday/dive';
  so do films that differ by their suffix alone.
  """
  parts = [epath.Path(film).absolute().parts for film in films]
  depth = 0
  while all(len(part) > depth + 1 for part in parts) and (
    len({part[depth] for part in parts}) == 1
  ):
    depth += 1
  own = [epath.Path(*part[depth:]) for part in parts]
  short = [f'{path.parent / path.stem}' for path in own]
  return [
    name if short.count(name) == 1 else f'{path}'
    for name, path in zip(short, own)
  ]
