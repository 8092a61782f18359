"""What every pretext task is made of."""

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import features
from vidpetl.data import augment, clip_spec, clips


@pytest.fixture
def make_task():
  """Returns a function from a module and its options to a task."""

  def make(module, sampling, clip=None, eval_clip=None, **options):
    fields = {'frames': 4, 'resolution': 8, 'sampling': sampling}
    fields |= clip or {}
    tested = clip_spec.fitting(
      fields, 'unlabelled', (eval_clip or {}).get('sampling')
    )
    tested |= eval_clip or {}
    return module.build(
      name='films',
      train_clip=clips.ClipSpec.of({**fields, 'train': True}, 'unlabelled'),
      eval_clip=clips.ClipSpec.of(tested, 'unlabelled'),
      augment=augment.Augment(),
      num_classes=7,
      **options,
    )

  return make


@pytest.fixture
def encoded():
  """Returns features of 6 clips, of 5 channels."""
  rng = np.random.default_rng(0)
  grid = jnp.array(rng.normal(size=(6, 2, 3, 3, 5)), jnp.float32)
  return features.Features(grid=grid, summary=grid.mean((1, 2, 3)))
