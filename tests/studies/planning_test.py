"""What a run takes of a device: what is kept, what is multiplied, what fits."""

import json
import subprocess
import sys

import experiments
import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import attending, devices
from vidpetl.studies import flops, residuals
from vidpetl.studies.planning import cards, compiled, estimate, fitting

N, D = 64, 32


def kept(function, *args):
  """Bytes that the gradient of a function keeps, its weights aside."""
  weight, *others = args
  pull = lambda weight, *others: jax.vjp(function, weight, *others)[1]
  return residuals.kept(pull, weight, *others)[0]


def test_a_products_operand_is_kept_and_its_weight_is_there_anyway():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))
  assert kept(lambda w, x: x @ w, w, x) == 4 * N * D


def test_what_follows_element_by_element_is_kept_once():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))

  def layer(w, x):
    y = x @ w
    return jnp.sin(y) * jnp.cos(y)

  assert kept(layer, w, x) == 2 * 4 * N * D  # x and y.


def test_a_norm_keeps_its_input_in_16_bits_and_what_a_product_reads():
  w, x = jnp.ones((D, D)), jnp.ones((N, D), jnp.bfloat16)

  def layer(w, x):
    y = x.astype(jnp.float32)
    y = (y - y.mean(-1, keepdims=True)) * jax.lax.rsqrt(
      y.var(-1, keepdims=True)
    )
    return y.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)

  assert kept(layer, w, x) <= 2 * 2 * N * D + 16 * N


def test_a_frozen_layer_keeps_nothing():
  w, v, x = jnp.ones((D, 2)), jnp.ones((D, D)), jnp.ones((N, D))
  model = lambda w: jnp.tanh(jnp.tanh(x @ v) @ v) @ w
  assert residuals.kept(lambda w: jax.vjp(model, w)[1], w)[0] == 4 * N * D


def test_remat_keeps_what_goes_in():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))
  deep = lambda w, x: jnp.sin(jnp.sin(x @ w) @ w) @ w
  assert kept(jax.checkpoint(deep), w, x) == 4 * N * D < kept(deep, w, x)


def test_a_loop_of_remat_keeps_what_each_turn_is_given():
  w, x = jnp.ones((24, D, D)), jnp.ones((N, D))
  turn = jax.checkpoint(lambda x, w: (jnp.sin(jnp.sin(x @ w) @ w), None))
  loop = lambda w, x: jax.lax.scan(turn, x, w)[0]
  assert kept(loop, w, x) == 24 * 4 * N * D


def test_weights_stacked_for_a_loop_are_kept_once_whatever_the_batch():
  weights = (jnp.ones((D, D)),) * 6

  def of(n):
    def loop(weights, x):
      turn = lambda x, w: (jnp.tanh(x @ w), None)
      return jax.lax.scan(turn, x, jnp.stack(weights))[0]

    pull = lambda weights, x: jax.vjp(loop, weights, x)[1]
    return residuals.kept(pull, weights, jnp.ones((n, D)))

  (one, once), (two, again) = of(N), of(2 * N)
  assert once == again == 6 * 4 * D * D
  assert two - again == 2 * (one - once)


def test_a_loops_residuals_count_as_often_as_it_turns():
  w, x = jnp.ones((D, D)), jnp.ones((N, D))

  def loop(w, x):
    return jax.lax.scan(lambda x, _: (jnp.sin(x @ w), None), x, None, 5)[0]

  assert 5 * 4 * N * D <= kept(loop, w, x) <= 11 * 4 * N * D


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
  assert again.total == pytest.approx(plan.total, rel=1e-6)


def test_what_no_change_makes_fit_says_what_would():
  with pytest.raises(ValueError, match=r'method=(lora|head)'):
    fitting.fit(small('full'), card(2**20))


def test_methods_without_a_way_through_the_backbone_keep_little():
  plans = [estimate.estimate(small(m), card(2**40)) for m in ('head', 'full')]
  head, full = plans
  assert head.memory['activations'] < 0.02 * full.memory['activations']
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


@pytest.mark.parametrize('name', ['h100', 't4', 'v5e-16', 'v4-128'])
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
      pull = lambda _, *qkv: jax.vjp(attending.attend, *qkv)[1]
      return residuals.kept(pull, None, q, q, q)[0]

  assert of_attention(devices.ANY) == 3 * tokens + scores
  assert 4 * tokens <= of_attention(cards.find('h100').meant) < 5 * tokens


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
