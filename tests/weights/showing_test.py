"""`convert --show` says what is in a file."""

import numpy as np
import small

from vidpetl.weights import showing


def test_families_that_fit_come_first_and_say_where(tmp_path):
  tree = {'state_dict': small.prefixed('model.', small.mae()), 'epoch': 3}
  path = small.save(tree, tmp_path / 'mae.ckpt')
  page = showing.describe(str(path))
  first, beside, _, *rest = page.splitlines()
  assert first.endswith(
    'mae.ckpt: a Flax (msgpack) file, 18 arrays of 53,632 numbers (float32)'
  )
  assert beside == 'beside them: epoch'
  assert rest[0].startswith('--from=mae ')
  assert "18 of its 18 arrays in 'state_dict' behind 'model.'" in rest[0]
  assert rest[1].startswith('--from=timm ')


def test_blocks_that_are_alike_share_a_line(tmp_path):
  state = small.mae()
  block = {n: a for n, a in state.items() if n.startswith('blocks.0.')}
  for i in range(1, 12):
    state |= {n.replace('.0.', f'.{i}.'): a for n, a in block.items()}
  page = showing.describe(str(small.save(state, tmp_path / 'mae')))
  assert 'blocks.{0..11}.mlp.fc1.weight' in page
  assert len(page.splitlines()) < 30


def test_what_a_family_does_not_know_is_named(tmp_path):
  state = small.mae() | {'more': np.ones(2, np.float32)}
  page = showing.describe(str(small.save(state, tmp_path / 'mae')))
  assert "1 that it does not know, such as 'more'" in page


def test_strangers_are_named(tmp_path):
  state = {'a.lora_A.weight': np.ones(2, np.float32)}
  assert 'an adapter' in showing.describe(
    str(small.save(state, tmp_path / 'a'))
  )


def test_a_part_is_shown_alone(tmp_path):
  tree = {'model': small.mae(), 'ema': small.mae(), 'epoch': 3}
  path = small.save(tree, tmp_path / 'mae')
  page = showing.describe(str(path), entry='ema')
  assert 'beside them: epoch, model' in page
  assert "in 'ema'" in page and "in 'model'" not in page


def test_no_family_is_said(tmp_path):
  path = small.save({'a': np.ones(2)}, tmp_path / 'a')
  assert 'no family fits it' in showing.describe(str(path))
