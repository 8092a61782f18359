import json
import subprocess
import sys

import experiments
import pytest

from vidpetl import describe
from vidpetl.data import held_out, sources


@pytest.fixture(scope='module')
def demo():
  return describe.describe(experiments.load_config('cofinetune_ava', 'demo'))


@pytest.mark.slow
def test_parameters_add_up(demo):
  params = demo['params']
  assert params['total'] == params['trained'] + params['frozen']
  assert params['total'] == sum(params['modules'].values())
  assert params['heads'] == (96 + 1) * (80 + 10 + 8 + 8)


def test_flops_and_bytes(demo):
  flops = demo['flops']
  assert flops['forward'] == flops['tasks']['ava']['forward']
  # A step is the batch, forwards and backwards: about three times as much.
  assert 2.5 < flops['step'] / (8 * flops['forward']) < 3.5
  size = demo['bytes']
  assert size['params'] == 4 * demo['params']['total']
  assert size['optimizer'] >= 2 * size['params']
  assert size['activations'] > 0


def test_a_recipe_is_told_in_words(demo):
  run = demo['recipe']['run']
  # With the demo's data at hand, it tells the steps as well.
  assert run['length'].startswith('8 epochs')
  assert run['schedule'] == 'cosine to 0, 0.3 epochs of warm-up'
  ava = demo['recipe']['tasks']['ava']
  assert ava['frames'] == (
    '16 frames around the keyframe, stride 2, at 15 frames a second'
  )
  assert 'edges moved by up to 0.05' in ava['augmentation']
  assert ava['test'] == 'as in training; boxes: detected, from 0.8 on'
  # Clips without people have no boxes to jitter.
  assert 'edges' not in demo['recipe']['tasks']['kinetics400']['augmentation']


def test_papers_count_macs_of_all_views():
  config = experiments.load_config('mst_adapter', 'demo,method=head')
  config.unlock()
  task = next(iter(config.tasks.values()))
  task.eval_clip.views = (3, 1)
  (cost,) = describe.describe(config)['flops']['tasks'].values()
  assert cost['test_macs'] == cost['forward'] / 2 * 3


def test_frozen_parameters_need_no_slots(demo):
  config = experiments.load_config('cofinetune_ava', 'demo,finetune')
  config.unlock()
  config.trainable = (('^heads_', 'all'), ('.*', 'frozen'))
  found = describe.describe(config)
  assert found['params']['trained'] == found['params']['heads']
  assert found['bytes']['gradients'] <= 4 * found['params']['heads']
  # Nothing runs backwards through the backbone.
  assert found['flops']['step'] < 0.5 * demo['flops']['step']
  assert found['bytes']['activations'] < 16 * 2**20


def test_sites_are_listed(demo):
  names = {place['site'] for place in demo['sites']}
  assert {'tokens', 'attn_qkv', 'mlp_residual'} <= names
  assert all(place['bound'] == [] for place in demo['sites'])


def test_door_prints_tables_and_writes_json(tmp_path):
  path = tmp_path / 'described.json'
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'vidpetl.describe',
      '--config=configs/cofinetune_ava.py:demo,finetune',
      f'--json={path}',
    ],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  found = json.loads(path.read_text())
  assert f'{found["params"]["total"]:,}' in done.stdout
  assert 'attn_qkv' in done.stdout


@pytest.mark.slow
def test_num_classes_are_needed_without_data():
  config = experiments.load_config('cofinetune_ava', 'demo')
  config.unlock()
  config.tasks.ava.num_classes = None
  config.tasks.ava.train = {
    'source': 'ava_csv',
    'videos': 'nowhere',
    'annotations': 'nowhere.csv',
  }
  with pytest.raises(ValueError, match=r'config\.tasks\.ava\.num_classes'):
    describe.describe(config)


def test_the_data_of_a_task_are_opened_once(make_config, monkeypatch):
  config = make_config('kinetics400')  # Its classes are counted in the data.
  with config.unlocked():
    config.steps, config.epochs = 0, 8
  opened, really = [], sources.open_source

  def open_source(options):
    opened.append(options.split)
    return really(options)

  monkeypatch.setattr(sources, 'open_source', open_source)
  found = describe.describe(config)
  assert opened == ['train']
  assert ' steps' in found['recipe']['run']['length']
  # Of what is held out there are fewer, and they are told as well.
  monkeypatch.setattr(held_out, 'split', lambda s, _: (s.take([0]), s))
  with config.unlocked():
    config.validation = 0.1
  held = describe.describe(config)
  assert opened == ['train'] * 2
  assert ' of 1 examples' in held['recipe']['run']['length']
