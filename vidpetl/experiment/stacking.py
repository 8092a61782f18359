"""A new technique on top of a package, whose own ones stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl.parameters import package, trainable

_SCOPE = re.compile(r'/(site_[^/]+/[^/]+)/')


def stack(config: dict[str, Any]) -> dict[str, Any]:
  """Returns a config in which the techniques of a package come first.

  A rule in front of `config.trainable` keeps them from training. A config that
  begins with that rule is returned as it is, and so is one whose package is not
  there, which `require` tells.

  Args:
    config: with `init.adapter`, `petl` and `trainable`.

  Raises:
    ValueError: if there is no package, or nothing is bound in it.
  """
  folder = config['init']['adapter']
  if not folder:
    raise ValueError(
      'config.init.stack binds techniques on top of those of a package: '
      'config.init.adapter names none'
    )
  if not epath.Path(folder).exists():
    return config
  found = package.load(folder)
  rule = keep(found.params)
  if not rule:
    raise ValueError(
      f'config.init.stack: nothing is bound in {folder}; without '
      'config.init.stack a run starts from its head'
    )
  if config['trainable'] and tuple(config['trainable'][0]) == rule:
    return config
  return {
    **config,
    'petl': (*found.config['petl'], *config['petl']),
    'trainable': (rule, *config['trainable']),
  }


def require(config: Any) -> None:
  """Raises PackageError if a config was to be stacked on what is not there.

  Args:
    config: completed.
  """
  if config.init.get('stack'):
    package.load(config.init.adapter)


def keep(params: Mapping[str, Any]) -> tuple[str, str] | None:
  """Returns the rule that freezes a package's techniques; None without any."""
  scopes = {m[1] for path in params if (m := _SCOPE.search(path))}
  if not scopes:
    return None
  names = '|'.join(map(re.escape, sorted(scopes)))
  return f'/({names})/', trainable.FROZEN


def ground(folder: str) -> list[dict[str, Any]]:
  """Returns what a package stands on that starts from another one.

  The first is the one right below, with the techniques that it bound; what
  that one stands on follows.
  """
  below = package.load(folder)
  own = {
    'package': folder,
    'sha256': package.fingerprint(below.params),
    'petl': list(below.config['petl']),
  }
  return [own, *below.config.get(package.GROUND, ())]
