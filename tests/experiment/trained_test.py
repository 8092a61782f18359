"""What a package is put on."""

import numpy as np
import pytest

from vidpetl.experiment import trained
from vidpetl.parameters import package


@pytest.fixture
def run(tmp_path, monkeypatch):
  """A run whose own package holds a part of its backbone, as BitFit's does."""
  begun = {'backbone/kernel': np.ones(2), 'backbone/bias': np.zeros(2)}
  made = {**begun, 'backbone/bias': np.ones(2)}
  (tmp_path / 'run' / 'adapter').mkdir(parents=True)
  (tmp_path / 'run' / 'adapter' / package.CONFIG).write_text('{}')
  monkeypatch.setattr(trained, 'start_of', lambda *_: begun)
  monkeypatch.setattr(trained, '_fitted', lambda *_: made)
  return str(tmp_path / 'run'), begun, made


def packed(arrays):
  config = {'backbone_sha256': package.fingerprint(arrays)}
  return package.Package(config, {'heads_a/bias': np.zeros(1)})


@pytest.mark.parametrize('which', [1, 2])
def test_a_run_offers_what_it_started_from_and_what_it_made(run, which):
  folder, wanted = run[0], run[which]
  found = trained._attached(packed(wanted), folder)
  bias = found['backbone/bias']
  np.testing.assert_array_equal(bias, wanted['backbone/bias'])


def test_another_backbone_is_refused(run):
  with pytest.raises(package.PackageError, match='another backbone'):
    trained._attached(packed({'backbone/kernel': np.zeros(2)}), run[0])
