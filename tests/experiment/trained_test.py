"""What a package is put on, and what is known of older runs."""

import json

import numpy as np
import pytest

from vidpetl.experiment import complete, spec, trained
from vidpetl.parameters import package
from vidpetl.recipes import named


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


def older(folder, protocol):
  """Leaves what a run of CoRe of before model.json left."""
  config = named.load('pecop_aqa:demo,head=core,backbone=vit')
  config = complete.complete(config.copy_and_resolve_references())
  text = config.to_json_best_effort()
  (folder / 'config.json').write_text(text)
  if protocol is not None:
    results = {'tasks': {'mtl_aqa': {'protocol': protocol}}}
    (folder / 'results.json').write_text(json.dumps(results))
  return folder


def test_groups_of_an_older_run_are_those_of_its_training_data(tmp_path):
  edges = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 30.0]
  found = spec.of_run(older(tmp_path, {'edges': edges}), {})
  assert found['tasks']['mtl_aqa']['options']['edges'] == edges


@pytest.mark.parametrize('protocol', [None, {}])
def test_an_older_run_that_does_not_say_its_groups_is_refused(
  protocol, tmp_path
):
  with pytest.raises(ValueError, match=r'does not say the edges of mtl_aqa'):
    spec.of_run(older(tmp_path, protocol), {})
