"""Adapter packages: what was learned on top of a backbone, in a folder.

    adapter_model.safetensors   arrays by path, 'backbone/…/site_mlp/…' and
                                'heads_<task>/…', float32
    adapter_config.json         how to build the model, labels, preprocessing,
                                and the hash of the backbone that it is for

Both have sums of what is in them, and the second one has that of the first.
They are compared when they are read.

All heads are inside, whether they trained or not, and so is every parameter of
the backbone itself that trained, and the running statistics of all BatchNorms
('batch_stats/…'), which move while nothing else does. The rest of the backbone
is not; its hash is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.parameters import sealed, storage, sums, variables

FORMAT = 'vidpetl-adapter-1'
MODEL, CONFIG = 'adapter_model.safetensors', 'adapter_config.json'
# Of CONFIG: the packages that one stands on, or is an average of.
GROUND, MADE_OF = 'stands_on', 'made_of'
# Of CONFIG: the sum of all arrays.
_OF = 'arrays_sum'
FIELDS = ('format', 'backbone', 'backbone_sha256', 'petl', 'tasks', 'dtype')

Flat = Mapping[str, np.ndarray]


class PackageError(ValueError):
  """A folder is no usable package, or not for this backbone."""


@dataclasses.dataclass(frozen=True)
class Package:
  """A package in memory.

  Attributes:
    config: what adapter_config.json holds.
    params: arrays by path.
  """

  config: Mapping[str, Any]
  params: Flat

  @property
  def techniques(self) -> list[str]:
    """Names of the techniques that are bound, each once."""
    return list(dict.fromkeys(e['technique'] for e in self.config['petl']))

  @property
  def size(self) -> int:
    """Bytes of the arrays."""
    return sum(array.nbytes for array in self.params.values())


def belongs(path: str, trains: bool) -> bool:
  """Returns whether a parameter is part of a package.

  Args:
    path: 'backbone/…', 'heads_…' or 'batch_stats/…'.
    trains: whether it trained.
  """
  return trains or variables.is_statistic(path) or is_added(path)


def is_added(path: str) -> bool:
  """Returns whether an array is none of a plain backbone's."""
  path = path.removeprefix(variables.STATISTICS + '/')
  return path.startswith('heads_') or '/site_' in path


def fingerprint(params: Flat) -> str:
  """Returns the SHA-256 of parameters, their paths, shapes and dtypes."""
  digest = hashlib.sha256()
  for path in sorted(params):
    array = np.ascontiguousarray(params[path])
    digest.update(f'{path} {array.dtype} {array.shape}\n'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()


def _beside(package: Package, params: Flat) -> dict[str, Any]:
  return {
    path: value
    for path, value in params.items()
    if path.startswith('backbone/')
    and '/site_' not in path
    and path not in package.params
  }


def matches(package: Package, params: Flat) -> bool:
  """Returns whether a package is for a backbone of these parameters."""
  rest = _beside(package, params)
  return fingerprint(rest) == package.config['backbone_sha256']


def attach(package: Package, params: Flat) -> dict[str, Any]:
  """Returns a backbone's parameters with those of a package.

  Args:
    package: to attach.
    params: by path, 'backbone/…'; what the package has itself is replaced.

  Raises:
    PackageError: if this is not the backbone that the package is for.
  """
  rest = _beside(package, params)
  found = fingerprint(rest)
  wanted = package.config['backbone_sha256']
  if found != wanted:
    raise PackageError(
      f'the package is for another backbone: the hash of its {len(rest)} '
      f'parameters is {found[:12]}…, not {wanted[:12]}…. It was trained on: '
      f'{package.config.get("origin", "unknown")}'
    )
  return {**rest, **package.params}


def save(folder: str | os.PathLike, package: Package) -> None:
  """Writes a package, in place of one that is there; other files stay."""
  with _place(epath.Path(folder)) as new:
    storage.save_arrays(os.fspath(new / MODEL), package.params)
    config = {**package.config, _OF: sums.whole(package.params)}
    sealed.write(new / CONFIG, config, sort_keys=True)


@contextlib.contextmanager
def _place(folder: epath.Path) -> Iterator[epath.Path]:
  """Gives a folder to write to, which is replaced if it has nothing else."""
  there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
  if there - {MODEL, CONFIG}:
    # What is left by a crash between the two files is refused, by `_OF`.
    yield folder
    return
  with durable.folder(folder) as new:
    yield new


def load(folder: str | os.PathLike) -> Package:
  """Reads a package.

  Raises:
    PackageError: naming the file, and what is wrong with it.
  """
  folder = epath.Path(folder)
  for name in (CONFIG, MODEL):
    if not (folder / name).is_file():
      raise PackageError(f'{folder / name}: not found; it is part of a package')
  config = _read_config(folder / CONFIG)
  try:
    params = storage.read_arrays(folder / MODEL)
  except sums.DamagedError as error:
    raise PackageError(str(error)) from None
  # Older ones do not tell.
  if config.pop(_OF, now := sums.whole(params)) != now:
    raise PackageError(
      f'{folder / CONFIG} was written beside another {MODEL} than there is. '
      'Copy or make both again.'
    )
  _check_paths(folder / MODEL, params)
  return Package(config, params)


def _read_config(path: epath.Path) -> dict[str, Any]:
  config = sealed.read(path, PackageError)
  if missing := [field for field in FIELDS if field not in config]:
    if 'peft_type' in config:
      raise PackageError(
        f"{path}: in peft's format; python -m vidpetl.adapter from_peft "
        'converts it'
      )
    raise PackageError(f'{path}: has no {", ".join(missing)}')
  if config['format'] != FORMAT:
    raise PackageError(
      f'{path}: format {config["format"]!r}; this version reads {FORMAT!r}'
    )
  return config


def _check_paths(path: epath.Path, names: Iterable[str]) -> None:
  known = 'backbone/', 'heads_'
  odd = [
    n for n in names if not (n.startswith(known) or variables.is_statistic(n))
  ]
  if odd:
    raise PackageError(
      f'{path}: {odd[0]!r} is no parameter of a backbone or a head'
    )
