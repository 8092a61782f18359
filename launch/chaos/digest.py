"""A hash of whatever a reader returns."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def of(value: Any) -> str:
  """Returns a hash, equal for equal values."""
  hashed = hashlib.sha256()
  _feed(hashed, value)
  return hashed.hexdigest()[:16]


def by_part(value: Any) -> dict[str, str]:
  """Returns a hash of each part of a dict or list, by its name or number."""
  if isinstance(value, Mapping):
    return {str(name): of(part) for name, part in value.items()}
  if isinstance(value, (list, tuple)):
    return {str(number): of(part) for number, part in enumerate(value)}
  return {'': of(value)}


def _feed(hashed: Any, value: Any) -> None:
  if hasattr(value, '__array__'):
    array = np.asarray(value)
    hashed.update(f'{array.dtype}{array.shape}'.encode())
    hashed.update(repr(array.tolist()).encode())
  elif dataclasses.is_dataclass(value) and not isinstance(value, type):
    for field in dataclasses.fields(value):
      hashed.update(field.name.encode())
      _feed(hashed, getattr(value, field.name))
  elif isinstance(value, Mapping):
    for key in sorted(value, key=repr):
      hashed.update(repr(key).encode())
      _feed(hashed, value[key])
  elif isinstance(value, (list, tuple)):
    hashed.update(f'{len(value)}['.encode())
    for each in value:
      _feed(hashed, each)
  else:
    hashed.update(repr(value).encode('utf-8', 'surrogatepass'))
