"""Arguments of configs for probes: `probe=attentive,probe_depth=3`.

    probe         what reads tokens for the head, a file of
                  `vidpetl.tasks.probes`; '' for the backbone's summary.
    probe_<field> of that probe.

The fields and their defaults are the probe's, which is loaded when it is asked
for: this module imports no JAX, a config with a probe does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_collections

from vidpetl import options, parts
from vidpetl.recipes import arguments
from vidpetl.tasks import probes

_PREFIX = 'probe_'


def known(argument: str | None) -> dict[str, Any]:
  """Returns `probe` and the arguments of the one that is named, with defaults.

  Args:
    argument: what stands behind the colon of `--config`.

  Raises:
    ValueError: if there is no such probe, with those there are.
  """
  kind = arguments.value(argument, 'probe', '')
  fields = _fields(kind).items()
  return {'probe': '', **{_PREFIX + name: default for name, default in fields}}


def _fields(kind: str) -> dict[str, Any]:
  if not kind:
    return {}
  part = parts.load(probes, kind, 'build', 'probe')
  fields = options.fields(part.build)
  return {name: value for name, value in fields.items() if name != 'name'}


def apply(
  config: ml_collections.ConfigDict, arg: ml_collections.ConfigDict
) -> None:
  """Gives the tasks of a config the probe that an argument names.

  Args:
    config: to change.
    arg: from `arguments.parse`, with the arguments of `known`.

  Raises:
    ValueError: where heads do not train.
  """
  if not arg.probe:
    return
  if not arg.get('head', True):
    raise ValueError(
      f'probe={arg.probe} is a part of the head, which head=false leaves as it '
      'was drawn; give head=true'
    )
  fields = {name: arg[_PREFIX + name] for name in _fields(arg.probe)}
  fields['layers'] = _numbers(fields['layers'])
  for task in config.tasks.values():
    task.probe = {'kind': arg.probe, **fields}


def _numbers(layers: Sequence[str]) -> tuple[int, ...]:
  """Returns numbers of blocks, which an empty default leaves as texts."""
  try:
    return tuple(map(int, layers))
  except ValueError:
    raise ValueError(
      f'probe_layers={"+".join(layers)}: they are numbers of blocks: 2+5+8+11'
    ) from None
