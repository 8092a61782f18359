"""What a run takes of a device: what is kept, what is multiplied, what fits."""

import functools
import json
import subprocess
import sys
import types

import experiments
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attending, dense, devices
from vidpetl.studies import flops, liveness
from vidpetl.studies.planning import cards, compiled, estimate, fitting

N, D = 64, 32
PLAIN = liveness.Device()


def peak(function, *args, on=PLAIN):
  """Returns what is in memory at most of a function of weights and others."""
  return liveness.peak(function, on, *args)


def trained(model):
  """Returns the gradient of the sum of a model of (weights, x)."""
  return jax.grad(lambda w, x: model(w, x).astype(jnp.float32).sum())


def layers(count, w, x):
  for _ in range(count):
    x = jnp.sin(x @ w)
  return x


def test_without_a_way_back_layers_take_no_more_than_two():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))
  found = peak(lambda w, x: layers(9, w, x).sum(), w, x)
  assert found.total == 2 * 4 * N * D


@pytest.mark.parametrize('fuses, kept', [(False, 2), (True, 1)])
def test_each_layer_that_is_trained_keeps_its_own(fuses, kept):
  """x @ w, and its sine, if no product makes that while it reads it."""
  w, x = jnp.ones((D, D)), jnp.ones((N, D))
  of = lambda n: trained(lambda w, x: layers(n, w, x))
  sizes = [
    peak(of(n), w, x, on=liveness.Device(fuses=fuses)).total for n in (4, 9)
  ]
  assert sizes[1] - sizes[0] == 5 * kept * 4 * N * D


def test_what_a_product_makes_of_its_operand_is_not_stored():
  w, x = jnp.ones((D, D)), jnp.ones((N, D), jnp.int8)
  widened = lambda w, x: (x.astype(jnp.float32) @ w).sum()
  stored, fused = (
    peak(widened, w, x, on=liveness.Device(fuses=fuses)).total
    for fuses in (False, True)
  )
  assert stored == 2 * 4 * N * D and fused < 4 * N * D + 64


def test_a_norm_keeps_its_input_in_16_bits():
  w, x = jnp.ones((D, D)), jnp.ones((N, D), jnp.bfloat16)

  def model(w, x):
    for _ in range(8):
      y = x.astype(jnp.float32)
      y = (y - y.mean(-1, keepdims=True)) * jax.lax.rsqrt(
        y.var(-1, keepdims=True)
      )
      x += y.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)
    return x

  # Of each: x, and what the product reads.
  assert peak(trained(model), w, x).kept <= 8 * 2 * 2 * N * D + 8 * 64 * N


def test_the_order_that_tokens_lie_in_is_no_array():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))
  tpu = liveness.device('tpu')

  def model(w, x, order):
    return layers(2, w, order(layers(2, w, x)))

  with devices.meant(types.SimpleNamespace(platform='tpu')):
    in_order, alone = (
      peak(trained(functools.partial(model, order=order)), w, x, on=tpu).total
      for order in (dense.in_order, lambda x: x)
    )
  assert in_order == alone


def test_what_is_recomputed_is_not_kept():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))

  def model(w, x, wrap):
    for _ in range(6):
      x = wrap(lambda w, x: layers(4, w, x))(w, x)
    return x

  again, plain = (
    peak(trained(lambda w, x, wrap=wrap: model(w, x, wrap)), w, x).total
    for wrap in (jax.checkpoint, lambda f: f)
  )
  assert again <= (6 + 3 * 4) * 4 * N * D < 0.5 * plain


def test_a_loop_keeps_of_each_turn_what_it_hands_on():
  w, x = jnp.ones((24, D, D)), jnp.ones((N, D))
  turn = jax.checkpoint(lambda x, w: (layers(2, w, x), None))
  found = peak(trained(lambda w, x: jax.lax.scan(turn, x, w)[0]), w, x)
  assert 24 <= found.total / (4 * N * D) < 24 + 13 + 24 * D / N


def test_weights_stacked_for_a_loop_are_there_once_whatever_the_batch():
  weights = (jnp.ones((D, D)),) * 6

  def loop(weights, x):
    turn = lambda x, w: (jnp.tanh(x @ w), None)
    return jax.lax.scan(turn, x, jnp.stack(weights))[0].sum()

  one, two = (peak(loop, weights, jnp.ones((n, D))) for n in (N, 2 * N))
  assert one.copies == two.copies == 6 * 4 * D * D


def test_in_tiles_short_axes_take_many_times_their_bytes():
  tiled = liveness.Device(tiles=True)
  size = lambda *shape: liveness.bytes_of(
    jax.ShapeDtypeStruct(shape, jnp.bfloat16), tiled
  )
  assert size(8, 256, 384) == 8 * 256 * 384 * 2
  assert size(8, 14, 14, 16, 16, 3) == 8 * (8 * 14 * 14 * 16 * 16 * 3 * 2)
  assert size(1, 1, 7) == 14
  # Patches cut out of frames.
  x = jax.ShapeDtypeStruct((8, 224, 224, 3), jnp.bfloat16)
  cut = lambda _, x: x.reshape(8, 14, 16, 14, 16, 3).sum((2, 4))
  assert peak(cut, None, x, on=tiled).total >= 8 * 8 * 224 * 224 * 3 * 2


def test_products_are_told_by_kind():
  def model(x, w, kernel):
    scores = jnp.einsum('bnd,bmd->bnm', x, x)
    y = jax.lax.conv_general_dilated(x, kernel, (1,), 'SAME', dimension_numbers=
                                     ('NWC', 'WIO', 'NWC'))  # fmt: skip
    return scores.sum() + (x @ w).sum() + y.sum()

  x, w = jnp.ones((2, 8, 4)), jnp.ones((4, 6))
  found = flops.each_product(model, x, w, jnp.ones((3, 4, 5)))
  told = {product.kind: product.flops for product in found}
  assert told['batched'] == 2 * 2 * 8 * 8 * 4
  assert told['dense'] == 2 * 16 * 4 * 6
  assert told['convolution'] == 2 * 16 * 3 * 4 * 5


def test_of_forms_for_each_platform_one_counts():
  x = jnp.ones((8, 4))
  one = lambda x: x @ x.T
  model = lambda x: jax.lax.platform_dependent(x, cpu=one, cuda=one, tpu=one)
  assert flops.products(model, x) == flops.products(one, x)


def small(method='lora', **fields):
  argument = f'dataset=hmdb51,demo,head=true,method={method}'
  config = experiments.load_config('vpetl', argument)
  with config.unlocked():
    config.update({'batch_size': 8, **fields})
  return config


def card(memory, **fields):
  both = dict.fromkeys(('float32', 'bfloat16'), 1e12)
  return cards.Card('card', 'cpu', memory, both, 1e11, **fields)


def test_a_run_fits_in_parts_that_add_up_to_the_same_batch():
  whole = estimate.estimate(small(), card(2**40))
  assert whole.fits and whole.memory['activations'] > whole.memory['params']
  room = card((whole.total - 0.6 * whole.memory['activations']) / 0.92)
  assert not estimate.estimate(small(), room).fits
  fields, plan = fitting.fit(small(), room)
  assert plan.fits and fitting.flags(fields).startswith('--config.')
  assert set(fields) <= {'accumulate', 'backbone.remat'}
  again = estimate.estimate(fitting.changed(plan.config, fields), room)
  assert again.total == pytest.approx(plan.total, rel=0.1)


def test_what_no_change_makes_fit_says_what_would():
  with pytest.raises(ValueError, match=r'method=(lora|head)'):
    fitting.fit(small('full'), card(2**20))


def test_methods_without_a_way_through_the_backbone_keep_little():
  plans = [estimate.estimate(small(m), card(2**40)) for m in ('head', 'full')]
  head, full = plans
  assert head.memory['activations'] < 0.1 * full.memory['activations']
  assert head.memory['worked on'] < 0.25 * full.memory['activations']
  assert sum(head.flops.values()) < 0.4 * sum(full.flops.values())
  assert head.largest_batch > full.largest_batch


def test_several_devices_share_a_batch_and_parameters():
  one = estimate.estimate(small('full'), card(2**40))
  four = estimate.estimate(small('full'), card(2**40, count=4))
  assert four.memory['activations'] == pytest.approx(
    one.memory['activations'] / 4, rel=0.01
  )
  assert four.seconds == pytest.approx(one.seconds / 4, rel=0.01)


def test_the_compiler_here_is_asked():
  plan = estimate.estimate(small(), cards.Card('this', 'cpu', 2**40, {}, 1.0))
  assert compiled.at_hand(plan.card)
  size, _ = compiled.total(plan.config, plan.card, plan.task)
  # A tiny net's temporary arrays are hardly those of the field.
  assert 0.3 * size < plan.total < 3 * size


@pytest.mark.parametrize(
  'name', ['h100', 'a100-40-8', 't4', 'v5e-16', 'v4-128']
)
def test_devices_are_known_by_name(name):
  found = cards.find(name)
  assert found.memory > 2**33 and found.products['bfloat16'] > 1e13


def test_an_unknown_device_lists_those_there_are():
  with pytest.raises(ValueError, match='--device=k80: there are t4, l4'):
    cards.find('k80')


def test_a_gpu_that_is_not_here_keeps_no_scores_of_attention():
  q = jax.ShapeDtypeStruct((1, 256, 2, 64), jnp.bfloat16)
  scores, tokens = 2 * 256 * 256 * 2, 256 * 2 * 64 * 2

  def of_attention(device):
    with devices.meant(device):  # A function of its own: JAX keeps traces.
      pull = lambda _, *qkv: jax.grad(
        lambda *qkv: attending.attend(*qkv).astype(jnp.float32).sum(), (0, 1, 2)
      )(*(2 * x for x in qkv))
      return peak(pull, None, q, q, q).total

  assert of_attention(devices.ANY) > 3 * tokens + 2 * scores
  assert 4 * tokens <= of_attention(cards.find('h100').meant) < 9 * tokens


@pytest.mark.parametrize('shifted', [True, False])
def test_a_gpu_that_is_not_here_keeps_biases_of_windows(shifted):
  q = jax.ShapeDtypeStruct((2, 4, 64, 2, 32), jnp.bfloat16)
  bias = jax.ShapeDtypeStruct((2, 64, 64), jnp.float32)
  parts = np.arange(4 * 64).reshape(4, 64) % 3 + 1 if shifted else None
  biases = (4 if shifted else 1) * 2 * 64 * 64 * 2

  def loss(scale, q, bias):
    y = attending.attend(scale * q, q, q, scale * bias, parts=parts)
    return y.astype(jnp.float32).sum()

  with devices.meant(cards.find('h100').meant):
    kept = jax.eval_shape(
      lambda *given: jax.vjp(loss, *given)[1], jnp.bfloat16(1), q, bias
    )
    grads = jax.eval_shape(jax.grad(loss, (1, 2)), jnp.bfloat16(1), q, bias)
  assert [x.shape for x in grads] == [q.shape, bias.shape]
  sizes = [x.size * x.dtype.itemsize for x in jax.tree.leaves(kept)]
  assert biases in sizes and max(sizes) <= max(biases, 2 * q.size)


def test_the_command_prints_and_writes_what_was_reckoned(tmp_path):
  out = tmp_path / 'plan.json'
  words = ['plan', '--config=vpetl:dataset=hmdb51,demo,head=true', '--estimate']
  words += ['--device=l4', f'--json={out}']
  done = subprocess.run(
    [sys.executable, '-m', 'vidpetl', *words],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert 'It fits' in done.stdout and 'TFLOP' in done.stdout, done.stderr
  assert json.loads(out.read_text())['device'] == 'l4'
