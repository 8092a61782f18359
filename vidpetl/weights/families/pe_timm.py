"""Perception Encoder, PE-core, from timm's files.

Also as open_clip has them, whose `visual.trunk` is timm's model, and within
transformers' PeVideoModel, by
`--entry=video_encoder.embedder.vision_model.timm_model`.

Traps:
  At another size of frames, timm's code scales rotary positions to the grid
  that the model was trained on, and resizes learned ones with antialiasing;
  Meta's does neither. Both follow the file: `config.backbone.reference`.
  Its `head` is no classifier, but the projection.
"""

import dataclasses

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.families import clip, pe

_ENCODER = 'SpatialTransformer'


def _tower() -> family.Rules:
  table = f'{_ENCODER}/posembed_input/pos_embedding'
  patches = 'patch_embed.proj.weight'
  pooled = [f'pool/{part}' for part in ('key', 'value')]
  return (
    rules.rule('cls_token', 'cls'),
    rules.rule('pos_embed', table),
    rules.rule(patches, 'embedding/kernel', rules.IMAGE_CONV),
    *rules.norm('norm_pre', f'{_ENCODER}/pre_norm'),
    *transformers.blocks('blocks', _ENCODER),
    *rules.norm('norm', 'norm'),
    rules.rule('attn_pool.latent', 'pool/probe'),
    rules.rule('attn_pool.q.weight', 'pool/query/kernel', '(p e) i -> i p e'),
    rules.rule('attn_pool.q.bias', 'pool/query/bias', '(p e) -> p e'),
    rules.rule(
      'attn_pool.kv.weight',
      [f'{part}/kernel' for part in pooled],
      '(n p e) i -> n i p e',
    ),
    rules.rule(
      'attn_pool.kv.bias',
      [f'{part}/bias' for part in pooled],
      '(n p e) -> n p e',
    ),
    *rules.dense('attn_pool.proj', 'pool/out', 'o (p e) -> p e o'),
    *rules.norm('attn_pool.norm', 'pool/norm'),
    *rules.dense('attn_pool.mlp.fc1', 'pool/Dense_0'),
    *rules.dense('attn_pool.mlp.fc2', 'pool/Dense_1'),
  )


def _layout(shapes: family.Shapes, target: str) -> family.Layout:
  found = pe.layout(shapes, target)
  if not found.video:
    return found
  side = found.video[1] // found.backbone['patch']
  backbone = {**found.backbone, 'reference': side}
  return dataclasses.replace(found, backbone=backbone)


FAMILY = family.Family(
  source='https://huggingface.co/timm',
  rules={'pe': pe.both(_tower())},
  layout=_layout,
  left_out={r'^head\.': clip.PROJECTION, **clip.FAMILY.left_out},
  axes=lambda shapes: pe.AXES,
  heads=pe.HEADS,
  check=pe.check,
  normalisation=(0.5, 0.5),
  positions='bicubic_antialias',
  config='timm',
)
