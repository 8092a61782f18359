"""DINOv3's image ViTs, from Meta's `.pth` files, and timm's.

LayerScales are folded into the layers before them; what is written has
LayerScales of ones.

Traps:
  The bias of queries, keys and values is multiplied by `bias_mask`, which is 0
  for keys, and for all three in files of Meta's.
  `rope_embed.periods` are rounded to bfloat16 in files of Meta's, and are not
  in others' code, so that the same weights are two functions.
  The 7B has no bias of queries, keys and values; it is read with biases of 0,
  and written with them. The norm of local crops is of pretraining alone.
  timm's files have no periods, and its code computes them in float32.
"""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from vidpetl.weights import family, rules, settings, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import dinov2

HEADS = {384: 6, 768: 12, 1024: 16, 1280: 20, 4096: 32}
LEFT_OUT = {
  **dinov2.MASK,
  r'^local_cls_norm\.': 'of local crops, in pretraining alone',
}
PLAIN = {'fc1': 'Dense_0', 'fc2': 'Dense_1'}
_TIMMS_SWIGLU = {'fc1_g': 'gate', 'fc1_x': 'up', 'fc2': 'Dense_1'}
_SWIGLU = {'w1': 'gate', 'w2': 'up', 'w3': 'Dense_1'}
PERIODS = settings.Unshown(
  'periods',
  {'float32': "transformers' and timm's", 'bfloat16': "Meta's code's"},
  'float32',
)
_ATTENTION = f'{dinov2.OURS}/{transformers.ATTENTION}'
_PERIODS = 'rope/periods'
_QKV = ('query', 'key', 'value')


def _rules(mlp: Mapping[str, str], bias: bool = True) -> family.Rules:
  masks = [f'{_ATTENTION}/{name}/bias_mask' for name in _QKV]
  return (
    rules.rule('cls_token', 'cls'),
    rules.rule('storage_tokens', 'registers'),
    rules.rule('rope_embed.periods', _PERIODS),
    *rules.dense('patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *transformers.blocks(
      'blocks',
      dinov2.ENCODER,
      bias,
      transformers.mlps('blocks.{i}.mlp', dinov2.OURS, mlp),
    ),
    *(
      [rules.rule('blocks.{i}.attn.qkv.bias_mask', masks, '(n h c) -> n h c')]
      if bias
      else []
    ),
    *dinov2.scales([f'blocks.{{i}}.ls{n}.gamma' for n in (1, 2)]),
    *rules.norm('norm', 'norm'),
  )


def _timms(mlp: Mapping[str, str], bias: bool) -> family.Rules:
  theirs = 'blocks.{i}.attn.'
  biases = [('q_bias', 'query'), ('v_bias', 'value')] if bias else []
  return (
    rules.rule('cls_token', 'cls'),
    rules.rule('reg_token', 'registers'),
    *rules.dense('patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *transformers.blocks(
      'blocks',
      dinov2.ENCODER,
      False,
      transformers.mlps('blocks.{i}.mlp', dinov2.OURS, mlp),
    ),
    *(
      rules.rule(theirs + name, f'{_ATTENTION}/{of}/bias', '(h c) -> h c')
      for name, of in biases
    ),
    *dinov2.scales([f'blocks.{{i}}.gamma_{n}' for n in (1, 2)]),
    *rules.norm('norm', 'norm'),
  )


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  mlp = f'{dinov2.ENCODER}/encoderblock_0/{transformers.MLP}'
  patch = shapes['embedding/kernel'][1]
  fields = {
    'name': 'dinov3',
    **transformers.sizes(shapes, dinov2.ENCODER),
    'patch': patch,
    'registers': shapes['registers'][1] if 'registers' in shapes else 0,
    'gated': transformers.is_gated(shapes, mlp),
  }
  # It takes images of any size; these are of 14 x 14 patches.
  return family.Layout(fields, (1, 14 * patch, 14 * patch))


def valued(arrays: family.Arrays) -> dict[str, Any]:
  """Returns `periods`, by what those in a file are rounded to.

  Raises:
    WeightsError: if they are others.
  """
  found = np.asarray(arrays.get(_PERIODS, ()), np.float32)
  if not found.size:
    return {}
  exact = _periods(found.size)
  if np.allclose(found, exact, rtol=1e-6, atol=0):
    return {'periods': 'float32'}
  if np.array_equal(found, exact.astype(ml_dtypes.bfloat16)):
    return {'periods': 'bfloat16'}
  raise WeightsError(
    f'rope_embed.periods are {found.tolist()}, not those of a base of 100'
  )


def _periods(planes: int) -> np.ndarray:
  return (100.0 ** (np.arange(planes) / planes)).astype(np.float32)


def finish(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Returns what the backbone has: biases are masked, and keys have none."""
  found = dinov2.finish(arrays)
  found.pop(_PERIODS, None)
  for name in [n for n in found if n.endswith('/query/kernel')]:
    attention, shape = name.removesuffix('/query/kernel'), found[name].shape[1:]
    for part in _QKV:
      bias = found.pop(f'{attention}/{part}/bias', np.zeros(shape, np.float32))
      mask = found.pop(f'{attention}/{part}/bias_mask', None)
      bias = bias if mask is None else bias * mask
      if part != 'key':
        found[f'{attention}/{part}/bias'] = bias
      elif bias.any():
        raise WeightsError(
          'its keys have a bias, and those of DINOv3 have none'
        )
  return found


def restore(
  arrays: dict[str, np.ndarray], backbone: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  found = dinov2.opened(arrays, backbone, 'dinov3', apart=True)
  for name in [n for n in found if n.endswith('/query/bias')]:
    attention, bias = name.removesuffix('/query/bias'), found[name]
    channels = bias.shape[-1]
    found[f'{attention}/key/bias'] = np.zeros_like(bias)
    for part in _QKV:
      mask = np.full(bias.shape, part != 'key', bias.dtype)
      found[f'{attention}/{part}/bias_mask'] = mask
    period = _periods(channels // 4)
    if backbone.get('periods', 'bfloat16') == 'bfloat16':
      period = period.astype(ml_dtypes.bfloat16).astype(np.float32)
    found[_PERIODS] = period
  return found


FAMILY = family.Family(
  source='https://github.com/facebookresearch/dinov3',
  rules={
    'dinov3': (
      *(_rules(PLAIN), _rules(_SWIGLU), _rules(_SWIGLU, False)),
      *(_timms(m, b) for m in (PLAIN, _TIMMS_SWIGLU) for b in (True, False)),
    )
  },
  layout=layout,
  left_out=LEFT_OUT,
  heads=HEADS,
  unshown=(PERIODS,),
  finish=finish,
  restore=restore,
  valued=valued,
  buffers=dinov2.mask('mask_token'),
)
