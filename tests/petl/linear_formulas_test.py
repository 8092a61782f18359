"""What DoRA, grouped adapters and shifted heads compute, written out."""

import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import FRAMES, D, apply, close, dense, normal, qkv

from vidpetl.backbones import site as site_lib
from vidpetl.petl.techniques import adapter, head_shift, lora


def test_heads_read_other_frames_where_there_are_some():
  q, k, v = qkv(rows=(2, 4))
  p, out = apply(head_shift.HeadShift((-1, 2)), (q, k, v), grid=FRAMES)
  assert not p
  for x, y in zip((k, v), out[1:]):
    for t in range(4):
      before, after = t - 1 if t else 0, t + 2 if t < 2 else t
      np.testing.assert_array_equal(y[:, t, :, 0], x[:, before, :, 0])
      np.testing.assert_array_equal(y[:, t, :, 1], x[:, after, :, 1])
  np.testing.assert_array_equal(out[0], q)


def test_dora_of_a_dense_layer_with_dropout():
  """As peft has it: what is dropped is the layer's input, too."""
  x, kernel, bias = normal(2, 5, D), normal(D, 2, 3, seed=1), normal(2, 3)
  layer = lambda x, kernel: jnp.einsum('bnd,d...->bn...', x, kernel)
  seen = []

  class Lora(lora.LoRA):
    def dropped(self, x):
      seen.append(jnp.where(jnp.arange(D) % 2, 2 * x, 0))
      return seen[-1]

  given = site_lib.Linear(x, kernel, bias, 2, layer)
  technique = Lora(2, alpha=6.0, rslora=True, dora=True)
  p, out = apply(technique, layer(x, kernel) + bias, given)
  v = kernel + 6 / 2**0.5 * np.einsum('dr,rhc->dhc', p['a'], p['b'])
  length = np.linalg.norm(kernel, axis=0) + p['magnitude']
  gain = length / np.linalg.norm(v, axis=0)
  close(out, layer(x - seen[-1], kernel) + bias + layer(seen[-1], v * gain))


def test_groups_of_an_adapter_are_those_of_a_convolution():
  torch = pytest.importorskip('torch')
  y = normal(2, 5, D)
  options = {'mode': 'sequential', 'activation': 'none', 'scale': 0.5}
  p, out = apply(adapter.Adapter(4, groups=2, **options), y)
  up = np.concatenate([k.T for k in p['up']['kernel']])[..., None]
  hidden = torch.from_numpy(dense(y, p['down']).swapaxes(1, 2).copy())
  wanted = torch.nn.functional.conv1d(
    hidden, torch.from_numpy(up), torch.from_numpy(p['up']['bias']), groups=2
  )
  close(out, y + 0.5 * wanted.numpy().swapaxes(1, 2))
  with pytest.raises(ValueError, match='groups=3 must divide the 4 channels'):
    apply(adapter.Adapter(4, groups=3), y, y)
