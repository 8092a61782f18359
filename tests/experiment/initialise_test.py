import types

import numpy as np
import pytest

from vidpetl.experiment import initialise, published
from vidpetl.parameters import storage, trainable
from vidpetl.training import run as run_lib


def test_settings_that_the_weights_were_not_trained_with_are_said(
  make_config, tmp_path
):
  """Weights load, and mean less: another activation, other pixels."""
  config = make_config('kinetics400')
  with config.unlocked():
    sizes = {'width': 8, 'heads': 2, 'mlp': 16, 'depth': 1, 'patch': 16}
    config.backbone = {'name': 'vit', 'kind': 'clip', **sizes}
  state, _ = run_lib.prepare(config).init_state()
  path = str(tmp_path / 'clip.safetensors')
  arrays = {
    f'backbone/{name}': np.asarray(array)
    for name, array in trainable.flatten(state.params['backbone']).items()
  }
  said = {
    'backbone': {**config.backbone.to_dict(), 'activation': 'gelu'},
    'grid': (4, 2, 2),
    'mean': (0.4, 0.5, 0.5),
    'std': 0.5,
  }
  storage.save_arrays(path, arrays, published.to_metadata(said))
  with config.unlocked():
    config.init.path, config.init.pixels = path, 'config'
  started = run_lib.prepare(config)
  started.init_state()
  activation, mean = started.report.notes
  assert "activation of the backbone is 'quick_gelu'" in activation
  assert "with 'gelu'" in activation
  assert 'config.tasks.kinetics400.augment.mean' in mean


@pytest.mark.parametrize(
  'bound, skipped',
  [
    ([('attn', 'adapter')], ('^heads_',)),
    ([('mlp', 'adapter')], ('^heads_', '/site_')),
    ([], ('^heads_', '/site_')),
  ],
)
def test_techniques_of_a_tuned_file_are_taken_where_they_are_bound(
  bound, skipped
):
  entries = lambda places: [
    {'site': site, 'technique': technique} for site, technique in places
  ]
  experiment = types.SimpleNamespace(
    config=types.SimpleNamespace(petl=entries(bound))
  )
  init = types.SimpleNamespace(skip=('^heads_', '/site_'))
  said = {'petl': entries([('attn', 'adapter')])}
  assert initialise._skipped(init, said, experiment) == skipped
  assert initialise._skipped(init, {}, experiment) == ('^heads_', '/site_')


@pytest.mark.parametrize('kept', [np.float16, np.float32])
def test_half_precision_reaches_the_device_as_it_is(kept, monkeypatch):
  put = []
  device_put = initialise.jax.device_put
  monkeypatch.setattr(
    initialise.jax, 'device_put', lambda x: put.append(x) or device_put(x)
  )
  array = np.arange(4, dtype=kept)
  placed = initialise._placed(array, np.dtype(np.float32))
  assert put[0].dtype == kept and placed.dtype == np.float32
  # A file that is mapped may be written over later.
  assert put[0] is not array or kept == np.float16
  np.testing.assert_array_equal(placed, array)
