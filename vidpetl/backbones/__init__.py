"""Backbones: modules (video, train) -> Features; one module per family."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any


def build(fields: Mapping[str, Any], **more: Any) -> Any:
  """Builds a backbone.

  Args:
    fields: `config.backbone`: `name`, the module here, and its options.
    **more: options that precede those.

  Returns:
    A linen module.

  Raises:
    ValueError: if there is no such field or value.
  """
  options = {**fields, **more}
  module = importlib.import_module(f'{__name__}.{options.pop("name")}')
  return module.build(**options)
