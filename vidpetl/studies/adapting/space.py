"""What a search goes through: heads on the frozen trunk, and methods in it.

A setting is a dict, as `settings.make` takes it and as json keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Setting = dict[str, Any]

# Name -> arguments of `adapt`, with a frozen trunk.
PROBES: dict[str, Setting] = {
  'linear': {},
  'normalised': {'head_norm': 'batch'},
  'attentive': {'probe': 'attentive'},
  'efficient': {'probe': 'efficient'},
  'frame_coded': {'probe': 'frame_coded'},
}
METHODS = (
  *('lora', 'adaptformer', 'st_adapter', 'adapter3d'),
  *('ladder', 'bitfit', 'full'),
)
# Tasks whose head is a linear classifier, and has `head_norm`.
_CLASSIFIERS = ('classification', 'multilabel', 'localisation')


def probes(task: str, names: Sequence[str] = ()) -> list[Setting]:
  """Returns the settings of heads.

  Args:
    task: `task` of the config's first task.
    names: of those to try; () for all that the task has.

  Raises:
    ValueError: for a name that there is not.
  """
  known = {
    name: arguments
    for name, arguments in PROBES.items()
    if task in _CLASSIFIERS or 'head_norm' not in arguments
  }
  if unknown := [name for name in names if name not in known]:
    raise ValueError(
      f'--probes={",".join(unknown)}: of {task} there are {", ".join(known)}.'
    )
  return [
    {'name': name, 'method': 'head', **known[name]} for name in names or known
  ]


def methods(names: Sequence[str], head: Setting) -> list[Setting]:
  """Returns the settings of methods, which train with a head.

  Args:
    names: of methods; () for `METHODS`.
    head: a setting of `probes`, whose head they get.
  """
  of_head = {k: v for k, v in head.items() if k not in ('name', 'method')}
  return [
    {'name': name, 'method': name, **of_head} for name in names or METHODS
  ]
