"""Backbones: modules (video, train) -> Features; one module per family."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from vidpetl import parts


def build(fields: Mapping[str, Any], **more: Any) -> Any:
  """Builds a backbone.

  Args:
    fields: `config.backbone`: `name`, the module here, and its options. None
      is none.
    **more: options that precede those.

  Returns:
    A linen module.

  Raises:
    ValueError: if there is no such field or value.
  """
  options = {k: v for k, v in {**fields, **more}.items() if v is not None}
  name = options.pop('name', None)
  here = sys.modules[__name__]
  return parts.load(here, name, 'build', 'config.backbone.name').build(
    **options
  )
