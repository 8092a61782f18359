"""The command, on safetensors files under MAE's names."""

import re
import subprocess
import sys

import experiments
import numpy as np
import pytest
import safetensors.numpy

from vidpetl import convert as door
from vidpetl.experiment import published

WIDTH, DEPTH, PATCH = 64, 2, 8
HEADS = '--set=heads=1'


def state(width=WIDTH, depth=DEPTH):
  """Arrays under MAE's names, for images of 16 x 16 pixels."""
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(0, 0.1, shape).astype(np.float32)
  arrays = {
    'cls_token': draw(1, 1, width),
    'pos_embed': draw(1, 5, width),
    'patch_embed.proj.weight': draw(width, 3, PATCH, PATCH),
    'patch_embed.proj.bias': draw(width),
    'norm.weight': draw(width),
    'norm.bias': draw(width),
    'head.weight': draw(3, width),
    'head.bias': draw(3),
  }
  for i in range(depth):
    for name, shape in {
      'norm1': (width,),
      'norm2': (width,),
      'attn.qkv': (3 * width, width),
      'attn.proj': (width, width),
      'mlp.fc1': (4 * width, width),
      'mlp.fc2': (width, 4 * width),
    }.items():
      arrays[f'blocks.{i}.{name}.weight'] = draw(*shape)
      arrays[f'blocks.{i}.{name}.bias'] = draw(shape[0])
  return arrays


def write(path, arrays):
  safetensors.numpy.save_file(arrays, path)
  return str(path)


def convert(*args):
  return subprocess.run(
    [sys.executable, '-m', 'vidpetl.convert', *map(str, args)],
    capture_output=True,
    text=True,
    cwd=experiments.ROOT,
  )


def test_there_and_back(tmp_path):
  path = write(tmp_path / 'theirs.safetensors', state())
  ours, back = tmp_path / 'ours.safetensors', tmp_path / 'back.safetensors'
  there = convert('--from=mae', HEADS, path, ours, '--head=kinetics400')
  assert there.returncode == 0, there.stderr
  assert re.search(r'\d+ matched, \d+ reshaped', there.stdout)
  report = (tmp_path / 'ours.report.txt').read_text()
  assert all(name in report for name in state())
  assert 'blocks.1.mlp.fc2.weight' in report and '64x256 -> 256x64' in report
  assert 'heads_kinetics400' in ''.join(safetensors.numpy.load_file(ours))
  again = convert('--into=mae', ours, back, '--head=kinetics400')
  assert again.returncode == 0, again.stderr
  arrays = safetensors.numpy.load_file(back)
  assert arrays.keys() == state().keys()
  for name, array in state().items():
    np.testing.assert_array_equal(arrays[name], array)


def test_a_head_takes_its_labels_along(tmp_path):
  path = write(tmp_path / 'theirs.safetensors', state())
  (tmp_path / 'names.txt').write_text('run\njump\nswim\n')
  ours, names = tmp_path / 'ours.safetensors', tmp_path / 'names.txt'
  told = {'heads': 1}
  door.import_file(
    'mae', path, str(ours), str(names), head='own', settings=told
  )
  labels = published.read_metadata(str(ours))['labels']
  assert labels == {'own': {'0': 'run', '1': 'jump', '2': 'swim'}}
  with pytest.raises(ValueError, match='give --head'):
    door.import_file('mae', path, str(ours), str(names), settings=told)


def test_nothing_is_written_where_something_differs(tmp_path):
  arrays = state()
  del arrays['blocks.0.norm1.bias']
  arrays['blocks.1.gamma'] = np.ones(WIDTH, np.float32)
  arrays['norm.bias'][3] = np.nan
  path = write(tmp_path / 'theirs.safetensors', arrays)
  out = tmp_path / 'ours.safetensors'
  failed = convert('--from=mae', path, out)
  assert failed.returncode == 2 and 'Traceback' not in failed.stderr
  for said in (
    r'missing +blocks\.0\.norm1\.bias',
    r'unexpected +blocks\.1\.gamma',
    r'wrong +norm\.bias.*finite',
    r'--allow=',
  ):
    assert re.search(said, failed.stderr), said
  assert [p.name for p in tmp_path.iterdir()] == ['theirs.safetensors']


def test_what_is_named_may_be_left_over(tmp_path):
  arrays = state() | {'blocks.1.gamma': np.ones(WIDTH, np.float32)}
  path = write(tmp_path / 'theirs.safetensors', arrays)
  out = tmp_path / 'ours.safetensors'
  done = convert('--from=mae', HEADS, path, out, r'--allow=\.gamma$')
  assert done.returncode == 0, done.stderr
  assert '1 arrays: as --allow says' in done.stdout


def test_a_file_is_shown(tmp_path):
  path = write(tmp_path / 'theirs.safetensors', state())
  shown = convert('--show', path)
  assert shown.returncode == 0, shown.stderr
  assert re.search('--from=mae +3. of its 3. arrays', shown.stdout)
  assert [p.name for p in tmp_path.iterdir()] == ['theirs.safetensors']


@pytest.mark.parametrize(
  'args, said',
  [
    (('a', 'b.safetensors'), '--from=FAMILY'),
    (('--from=mae', '--into=mae', 'a', 'b.safetensors'), '--from=FAMILY'),
    (('--from=resnet', 'a', 'b.safetensors'), "no family 'resnet'.*mae"),
    (('--from=mae', 'nowhere.pth', 'b.safetensors'), 'nowhere.pth: no such'),
    (('--into=mae', 'nowhere', 'b.safetensors'), 'nowhere: no such run'),
    (('--show', 'nowhere.pth'), 'nowhere.pth: no such'),
    (('--show', '--from=mae', 'a'), '--show takes one FILE'),
  ],
)
def test_errors_say_what_to_do(args, said):
  failed = convert(*args)
  assert failed.returncode == 2
  assert re.search(said, failed.stderr + failed.stdout)


def test_a_model_with_techniques_is_not_exported(tmp_path):
  path = write(tmp_path / 'theirs.safetensors', state())
  ours = tmp_path / 'ours.safetensors'
  assert convert('--from=mae', HEADS, path, ours).returncode == 0
  arrays = safetensors.numpy.load_file(ours)
  arrays['backbone/SpatialTransformer/site_tokens/prompt'] = np.ones((1, 4))
  write(ours, arrays)
  failed = convert('--into=mae', ours, tmp_path / 'back.safetensors')
  assert failed.returncode == 2
  assert re.search(r'site_tokens/prompt.*\n.*adapter merge', failed.stderr)
