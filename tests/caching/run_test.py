"""Runs that read features in place of videos."""

import json

import experiments
import pytest

from vidpetl.training import loop

FROZEN = (('backbone/.*', 'frozen'), ('.*', 'all'))
STILL = {
  'augment.flip': False,
  'augment.scale_jitter': None,
  'augment.box_jitter': 0.0,
}


@pytest.fixture
def make(make_config):
  """Returns a function that makes a run of which nothing is random."""

  def make(task, **fields):
    config = make_config(task)
    config.unlock()
    config.trainable = FROZEN
    config.backbone.stochastic_depth = 0.0
    for name, value in STILL.items():
      config.tasks[task].update_from_flattened_dict({name: value})
    if task != 'ava':
      clip = config.tasks[task].clip
      clip.sampling = 'spread'
      for name in ('short', 'stride'):
        del clip[name]
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


def losses(workdir):
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  found = {}
  for row in rows:
    found |= {(row['step'], k): v for k, v in row.items() if 'loss' in k}
  return found


@pytest.mark.parametrize('task', ['kinetics400', 'ava'])
def test_losses_are_those_of_the_videos(make, task, tmp_path):
  plain = loop.run(make(task), str(tmp_path / 'plain'))
  config = make(
    task, **{'cache.path': str(tmp_path / 'cache'), 'cache.dtype': 'float32'}
  )
  cached = loop.run(config, str(tmp_path / 'cached'))
  a, b = losses(tmp_path / 'plain'), losses(tmp_path / 'cached')
  assert a.keys() == b.keys() and len(a)
  for key in a:
    assert b[key] == pytest.approx(a[key], rel=1e-5), key
  experiments.check_close(
    cached['tasks'][task]['metrics'], plain['tasks'][task]['metrics'], 1e-4
  )
