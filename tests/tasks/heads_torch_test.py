"""A head's BatchNorm against PyTorch's."""

import jax
import numpy as np
import pytest

from vidpetl.tasks import heads

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def test_batch_norm_trains_and_evaluates_as_batchnorm1d():
  rng = np.random.default_rng(0)
  theirs = torch.nn.BatchNorm1d(5, affine=False, eps=1e-6)
  ours = heads.BatchNorm()
  variables = ours.init(jax.random.key(0), np.zeros((4, 5)), False)
  train = jax.jit(lambda v, x: ours.apply(v, x, True, mutable=['batch_stats']))
  for _ in range(5):
    x = rng.normal(2.0, 3.0, (4, 5)).astype(np.float32)
    found, variables = train(variables, x)
    np.testing.assert_allclose(found, theirs(torch.tensor(x)), atol=2e-6)
  theirs.eval()
  for ours_, theirs_ in (('mean', 'running_mean'), ('var', 'running_var')):
    np.testing.assert_allclose(
      variables['batch_stats'][ours_], getattr(theirs, theirs_), rtol=2e-6
    )
  np.testing.assert_allclose(
    ours.apply(variables, x, False), theirs(torch.tensor(x)), atol=2e-6
  )
