"""From a config's fields to a backbone, with errors that name the field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from vidpetl import options


def make(
  model: type[nn.Module],
  fields: Mapping[str, Any],
  variant: str | None,
  variants: Mapping[str, Mapping[str, Any]],
) -> Any:
  """Makes a backbone of a published size, or of one's own.

  Args:
    model: class of the backbone.
    fields: of the class; they precede the variant's. `dtype` may be a name,
      such as 'bfloat16'; lists become tuples.
    variant: a key of `variants`; without it, `fields` must have all that the
      variants have.
    variants: name -> fields.

  Raises:
    ValueError: for an unknown variant or field, or one that is missing.
  """
  known = {f.name for f in dataclasses.fields(model)} - {'parent', 'name'}
  if unknown := sorted(set(fields) - known):
    raise ValueError(
      f'config.backbone: {model.__name__} has no field '
      f'{", ".join(map(repr, unknown))}. Its fields: {", ".join(sorted(known))}'
    )
  if variant is None:
    size = {}
    needed = next(iter(variants.values()))
    if missing := [name for name in needed if name not in fields]:
      raise ValueError(
        f'config.backbone.variant=None: {model.__name__} needs '
        f'{", ".join(missing)} as well'
      )
  elif variant in variants:
    size = variants[variant]
  else:
    raise ValueError(
      f'config.backbone.variant={variant!r} of {model.__name__}; there are: '
      + ', '.join(variants)
    )
  options.hold(fields, options.hints(model), 'config.backbone')
  chosen = {key: _plain(value) for key, value in {**size, **fields}.items()}
  if 'dtype' in chosen:
    chosen['dtype'] = jnp.dtype(chosen['dtype'])
  return model(**chosen)


def _plain(value: Any) -> Any:
  return tuple(value) if isinstance(value, list) else value
