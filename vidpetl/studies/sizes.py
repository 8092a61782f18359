"""Counting the parameters and multiply-adds of published backbones."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from vidpetl import backbones
from vidpetl.recipes import preset as preset_lib
from vidpetl.recipes import sizes
from vidpetl.studies import flops


def measure(preset: preset_lib.Preset) -> sizes.Sizes:
  """Returns the sizes of a backbone at its own clip; nothing is computed."""
  model = backbones.build(preset.fields)
  side = preset.clip['resolution']
  shape = 1, preset.clip['frames'], side, side, 3
  video = jax.ShapeDtypeStruct(shape, jnp.float32)
  variables = jax.eval_shape(
    lambda x: model.init(jax.random.key(0), x, False), video
  )
  operations = flops.products(
    lambda v, x: jax.tree.leaves(model.apply(v, x, False)), variables, video
  )
  parameters = sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
  return sizes.Sizes(parameters, operations // 2)
