"""AdaptFormer's recipe (Chen et al. 2022), as its code has it for plain ViTs.

What images and videos share: SGD with 0.1 per 256 examples, a BatchNorm without
scale and bias before every head, whose weights start from N(0, 0.01^2), and the
bottleneck beside the MLP on the stream before its LayerNorm. The numbers of
either stand in the configs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

# Fields of a task.
HEAD = {'norm': 'batch', 'initial': 'normal'}
# Where the adapter beside the MLP sits.
SITE = 'mlp_residual'
# Methods that have such an adapter, and for which a config takes `site=`.
BESIDE_MLP = ('adaptformer', 'bapat', 'prefix')


def options(method: str, site: str = SITE, dropout: float = 0.0) -> dict:
  """Returns arguments of a config that differ by the method.

  Args:
    method: of `vidpetl.recipes.methods`.
    site: default of `site=`, of the adapter beside the MLP.
    dropout: default of the rate in it.
  """
  if method == 'vpt':
    return {'initial': 'xavier'}
  if method not in BESIDE_MLP:
    return {}
  name = 'dropout' if method == 'adaptformer' else 'adapter_dropout'
  return {'site': site, name: dropout}


def beside(
  petl: tuple[Mapping[str, Any], ...], site: str
) -> tuple[dict[str, Any], ...]:
  """Returns `config.petl` with the adapter beside the MLP at a site."""
  return tuple(
    {**entry, 'site': site} if entry['technique'] == 'adapter' else dict(entry)
    for entry in petl
  )


def fresh_norm(config: ml_collections.ConfigDict) -> None:
  """Lets the backbone's last LayerNorm start anew, and train.

  Of VideoMAE: the LayerNorm of a file of pretraining is for each token, and
  that of fine-tuning for their mean.
  """
  norm = '^backbone/norm/'
  config.init.skip = (*config.init.skip, norm)
  config.trainable = ((norm, 'all'), *config.trainable)
