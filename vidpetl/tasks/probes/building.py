"""From `config.tasks.<name>.probe` to a probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from vidpetl import options as options_lib
from vidpetl import parts
from vidpetl.tasks import probes


def make(config: Mapping[str, Any] | None, where: str) -> nn.Module | None:
  """Builds what reads tokens for a head.

  Args:
    config: `kind`, a module of `vidpetl.tasks.probes`, and its options; {}, or
      a kind of '', for none.
    where: path of the config, in errors.

  Raises:
    ValueError: naming the field that there is not, or is out of its range.
  """
  options = dict(config or {})
  kind = options.pop('kind', '')
  if not (kind or options):
    return None
  part = parts.load(probes, kind, 'build', f'{where}.kind')
  plain = {
    k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
  }
  return options_lib.call(part.build, plain, where)
