"""Folders of parts: a folder's modules are the list, and a name picks one.

    technique = parts.load(techniques, 'lora', 'build', 'technique').build

A part is a module that has what the folder is for: `build`, `DATASET`, … (its
`contract`). Modules without it are there to help the others.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from vidpetl import options


def names(package: ModuleType, contract: str) -> tuple[str, ...]:
  """Returns the names of a folder's parts, sorted.

  Args:
    package: the folder. Its modules are imported.
    contract: attribute that makes a module a part.

  Returns:
    Names below the folder, e.g. 'lora', or 'quality.core' in a folder below.
  """
  prefix = package.__name__ + '.'
  found = (m.name for m in pkgutil.walk_packages(package.__path__, prefix))
  return tuple(
    sorted(
      name.removeprefix(prefix)
      for name in found
      if hasattr(importlib.import_module(name), contract)
    )
  )


def load(
  package: ModuleType, name: str, contract: str, what: str
) -> ModuleType:
  """Returns a part by its name; only that part is imported.

  Args:
    package: the folder.
    name: of the part.
    contract: attribute that makes a module a part.
    what: who asks, in the error: 'config.backbone.name'.

  Raises:
    ValueError: if there is none of this name, with those there are.
  """
  if _exists(package, name):
    module = importlib.import_module(f'{package.__name__}.{name}')
    if hasattr(module, contract):
      return module
  known = names(package, contract)
  meant = options.nearest(name, known)
  raise ValueError(f'{what}={name!r}; there are: {", ".join(known)}{meant}')


def _exists(package: ModuleType, name: str) -> bool:
  if not isinstance(name, str) or not all(
    word.isidentifier() for word in name.split('.')
  ):
    return False
  try:
    return importlib.util.find_spec(f'{package.__name__}.{name}') is not None
  except ModuleNotFoundError:  # of the folder that a dotted name has in front
    return False
