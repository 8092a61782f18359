"""Rules and layouts that families of VideoPrism share.

LayerNorms of its files multiply by 1 + scale, and ours by their scale. A bias
of the pooler's keys is in files and changes no weight: one query attends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.weights import hugging_face, rules, settings, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

# Pixels are in [0, 1].
PIXELS = (0.0, 1.0)
UNMEANT = 'is added to all scores of a query alike, and so changes no weight'
UNSHOWN = (settings.Unshown('logit_cap', {50.0: 'as published'}, 50.0),)

_SPACE, _TIME, _AUXILIARY = (
  f'{name}Transformer' for name in ('Spatial', 'Temporal', 'Auxiliary')
)
_TABLE = 'posembed_input/pos_embedding'


def layout(shapes: Shapes) -> Layout:
  """Returns the layout of a VideoPrism, by our names."""
  _, *sides, _, _ = shapes['embedding/kernel']
  auxiliary = _depth(shapes, _AUXILIARY)
  summary = 'embedding' if auxiliary else 'pooled'
  fields = {
    'name': 'videoprism',
    **transformers.sizes(shapes, _SPACE),
    'tubelet': (1, *sides),
    'temporal_depth': _depth(shapes, _TIME),
    'auxiliary_depth': auxiliary,
    'summary': summary if 'pool/query' in shapes else 'mean',
  }
  space, time = (shapes[f'{name}/{_TABLE}'][1] for name in (_SPACE, _TIME))
  side = math.isqrt(space)
  square = side * side == space
  return Layout(
    fields, (time, *(side * size for size in sides)) if square else ()
  )


def _depth(shapes: Shapes, encoder: str) -> int:
  start = f'{encoder}/encoderblock_'
  return len(
    {n[len(start) :].split('/')[0] for n in shapes if n[: len(start)] == start}
  )


def finish(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Adds 1 to the scales of LayerNorms, in float32."""
  return _shifted(arrays, 1.0)


def restore(
  arrays: dict[str, np.ndarray], backbone: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Takes it off; exact for scales of files, which were numbers plus 1."""
  del backbone
  return _shifted(arrays, -1.0)


def _shifted(arrays, by: float):
  return {
    name: array.astype(np.float32) + np.float32(by)
    if name.endswith('/scale') and not name.startswith('heads_')
    else array
    for name, array in arrays.items()
  }


# Google's names.


def google(lvt: bool) -> Rules:
  """Rules of Google's arrays, in which blocks are stacked."""
  at = 'vision_encoder/' if lvt else ''
  found = [
    rules.rule(
      f'{at}patch_projection/linear/kernel',
      'embedding/kernel',
      '(row column c) d -> 1 row column c d',
    ),
    rules.rule(f'{at}patch_projection/linear/bias', 'embedding/bias'),
  ]
  for name, ours in (('spatial', _SPACE), ('temporal', _TIME)):
    found += [
      rules.rule(
        f'{at}{name}_pos_emb/emb_var', f'{ours}/{_TABLE}', 'n d -> 1 n d'
      ),
      *_stacked(f'{at}{name}_encoder', ours),
      *_named(f'{at}{name}_ln', f'{ours}/encoder_norm', 'scale', 'bias'),
    ]
  if not lvt:
    return tuple(found)
  pooler = 'contrastive_vision_pooler'
  attention = f'{pooler}/pooling_attention'
  return (
    *found,
    *_stacked('auxiliary_encoder', _AUXILIARY),
    rules.rule(f'{pooler}/pooling_attention_query', 'pool/query'),
    rules.rule(
      f'{attention}/per_dim_scale/per_dim_scale', 'pool/attention/per_dim_scale'
    ),
    rules.rule(f'{attention}/query/w', 'pool/attention/query/kernel'),
    rules.rule(f'{attention}/query/b', 'pool/attention/query/bias'),
    rules.rule(f'{attention}/key/w', 'pool/attention/key/kernel'),
    rules.rule(f'{attention}/value/w', 'pool/attention/value/kernel'),
    rules.rule(f'{attention}/value/b', 'pool/attention/value/bias'),
    rules.rule(f'{attention}/post/w', 'pool/out/kernel', 'd h c -> h c d'),
    rules.rule(f'{attention}/post/b', 'pool/out/bias'),
    *_named(
      f'{pooler}/pooling_attention_layer_norm', 'pool/norm', 'scale', 'bias'
    ),
  )


def google_axes(shapes: Shapes) -> dict[str, int]:
  """Returns the sides of a patch, which an array has as one axis."""
  name = next(n for n in shapes if n.endswith('patch_projection/linear/kernel'))
  side = math.isqrt(shapes[name][0] // 3)
  if 3 * side * side != shapes[name][0]:
    raise WeightsError(
      f'{name} is of {shapes[name][0]} numbers, not of squares'
    )
  return {'row': side, 'column': side}


def google_buffers(arrays, backbone) -> dict[str, np.ndarray]:
  """Returns the bias of the pooler's keys."""
  del backbone
  at = 'contrastive_vision_pooler/pooling_attention/{}/b'
  like = arrays.get(at.format('query'))
  return {} if like is None else {at.format('key'): np.zeros_like(like)}


def _named(theirs: str, ours: str, *leaves: str) -> list[rules.Rule]:
  return [rules.rule(f'{theirs}/{x}', f'{ours}/{x}') for x in leaves]


def _stacked(theirs: str, ours: str) -> list[rules.Rule]:
  """Rules of an encoder's blocks, one array for each of their leaves."""
  at = f'{theirs}/transformers_stack/x_layers'
  ours = f'{ours}/{transformers.BLOCK}'
  attention = f'{ours}/{transformers.ATTENTION}'
  plain = {
    f'{at}/layer_norm': (f'{ours}/LayerNorm_0', 'scale'),
    f'{at}/ff_layer/layer_norm': (f'{ours}/LayerNorm_1', 'scale'),
    f'{at}/ff_layer/ffn_layer1/linear': (
      f'{ours}/MlpBlock_0/Dense_0',
      'kernel',
    ),
    f'{at}/ff_layer/ffn_layer2/linear': (
      f'{ours}/MlpBlock_0/Dense_1',
      'kernel',
    ),
  }
  found = []
  for name, (place, leaf) in plain.items():
    pattern = 'n d -> n d' if leaf == 'scale' else 'n i o -> n i o'
    found += [
      rules.rule(f'{name}/{leaf}', f'{place}/{leaf}', pattern),
      rules.rule(f'{name}/bias', f'{place}/bias', 'n d -> n d'),
    ]
  for name in ('query', 'key', 'value'):
    found += [
      rules.rule(
        f'{at}/self_attention/{name}/w',
        f'{attention}/{name}/kernel',
        'n d h c -> n d h c',
      ),
      rules.rule(
        f'{at}/self_attention/{name}/b',
        f'{attention}/{name}/bias',
        'n h c -> n h c',
      ),
    ]
  return [
    *found,
    rules.rule(
      f'{at}/self_attention/post/w',
      f'{attention}/out/kernel',
      'n d h c -> n h c d',
    ),
    rules.rule(
      f'{at}/self_attention/post/b', f'{attention}/out/bias', 'n d -> n d'
    ),
  ]


# Hugging Face's names.


def transformers_encoder(prefix: str = '') -> Rules:
  """Rules of `VideoPrismVisionModel`."""
  embeddings = f'{prefix}spatial_embeddings'
  return (
    *rules.dense(
      f'{embeddings}.patch_embeddings.projection', 'embedding', rules.CONV
    ),
    rules.rule(f'{embeddings}.position_embeddings', f'{_SPACE}/{_TABLE}'),
    rules.rule(
      f'{prefix}temporal_embeddings.position_embeddings', f'{_TIME}/{_TABLE}'
    ),
    *_blocks(f'{prefix}spatial_layers', _SPACE),
    *_blocks(f'{prefix}temporal_layers', _TIME),
    *rules.norm(f'{prefix}layernorm1', f'{_SPACE}/encoder_norm'),
    *rules.norm(f'{prefix}layernorm2', f'{_TIME}/encoder_norm'),
  )


def transformers_auxiliary() -> Rules:
  """Rules of the blocks behind it in `VideoPrismVideoModel`."""
  return tuple(_blocks('auxiliary_layers', _AUXILIARY))


def transformers_pooler() -> Rules:
  """Rules of `VideoPrismMultiheadAttentionPoolingHead` and its LayerNorm."""
  weight, bias = '(heads e) i -> i heads e', '(heads e) -> heads e'
  found = [
    rules.rule(f'head.{x}_proj.weight', f'pool/attention/{name}/kernel', weight)
    for x, name in (('q', 'query'), ('k', 'key'), ('v', 'value'))
  ]
  found += [
    rules.rule(f'head.{x}_proj.bias', f'pool/attention/{name}/bias', bias)
    for x, name in (('q', 'query'), ('v', 'value'))
  ]
  return (
    *found,
    rules.rule('head.per_dim_scale', 'pool/attention/per_dim_scale'),
    rules.rule('head.pooling_attention_query', 'pool/query', '1 n d -> n d'),
    *rules.dense('head.o_proj', 'pool/out', 'd (heads e) -> heads e d'),
    *rules.norm('head_layernorm', 'pool/norm'),
  )


def transformers_buffers(arrays, backbone) -> dict[str, np.ndarray]:
  """Returns the bias of the pooler's keys."""
  del backbone
  like = arrays.get('head.q_proj.bias')
  return {} if like is None else {'head.k_proj.bias': np.zeros_like(like)}


def _blocks(theirs: str, ours: str) -> list[rules.Rule]:
  at, ours = f'{theirs}.{{i}}', f'{ours}/{transformers.BLOCK}'
  layers = [f'{at}.attention.{x}_proj' for x in 'qkvo']
  return [
    *rules.norm(f'{at}.layernorm_before', f'{ours}/LayerNorm_0'),
    *rules.heads(layers, f'{ours}/{transformers.ATTENTION}'),
    *rules.norm(f'{at}.layernorm_after', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
  ]


def kind(plain: str, model_types: tuple[str, ...], **options: Any):
  """Returns a class of transformers, `options` of which are a `Kind`'s."""
  more = options.pop('fields', {})
  fixed = options.pop('fixed', {})
  return hugging_face.Kind(
    model_types=model_types,
    defaults={
      'num_attention_heads': 12,
      'num_spatial_layers': 12,
      'num_temporal_layers': 4,
      'hidden_act': 'gelu_python',
      'layer_norm_eps': 1e-6,
      'attn_logit_softcapping': 50.0,
      'apply_l2norm': True,
      'image_size': 288,
      'tubelet_size': (1, 18, 18),
      'num_frames': 16,
    },
    plain=plain,
    processor='LlavaOnevisionVideoProcessor',
    fixed={'activation': 'gelu', 'epsilon': 1e-6, **fixed},
    names={'num_hidden_layers': 'num_spatial_layers'},
    fields={
      'num_temporal_layers': 'temporal_depth',
      'attn_logit_softcapping': 'logit_cap',
      **more,
    },
    factorised=True,
    box=True,
    clips=True,
    normalises=False,
    **options,
  )
