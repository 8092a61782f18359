"""InternVideo2's vision tower, from OpenGVLab's `.pth` and `.pt` files.

Fine-tuned classifiers, stage 1 (pretraining), distilled models, and the tower
that stage 2 trained with text.

Traps:
  Tables of positions are joint, (t h w), and no array tells 8 frames of 16 x 16
  tokens from others: --grid=8,16,16 says it.
  The code trains with flash_attn's fused MLP, whose GELU is the tanh form; the
  plain one that it falls back to, and copies of it without flash_attn, compute
  the exact form.
  LayerScales are folded into the layers before them, and are ones in what is
  written.
"""

from vidpetl.weights import family, rules, settings, transformers
from vidpetl.weights.errors import WeightsError

ENCODER = 'Transformer'
_POOL = 'clip_projector'
_HEADS = {384: 6, 768: 12, 1024: 16, 1408: 16, 3200: 25}


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for towers that the backbone is not."""
  if any(name.startswith('extra_mlp.') for name in shapes):
    raise WeightsError(
      'a probe of attention and an MLP is in it, which the backbone has not; '
      'the tower that it read is in the file that it started from'
    )
  if 'pos_embed_spatial' in shapes:
    raise WeightsError(
      'positions in space and in time are two tables in it, which no '
      'published model has; the backbone has one'
    )


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  tubelet, patch = shapes['embedding/kernel'][:2]
  fields = {
    **transformers.sizes(shapes, ENCODER),
    'patch': patch,
    'tubelet': tubelet,
    'pool': shapes['pooling/out/kernel'][1],
    'pool_norm': 'norm/scale' in shapes,
  }
  return family.Layout({'name': 'internvideo2', **fields}, ())


def _block() -> family.Rules:
  at, ours = 'blocks.{i}', f'{ENCODER}/{transformers.BLOCK}'
  attention = f'{ours}/{transformers.ATTENTION}'
  gains = {
    'norm1.weight': f'{ours}/LayerNorm_0/scale',
    'norm2.weight': f'{ours}/LayerNorm_1/scale',
    'attn.q_norm.weight': f'{attention}/query_norm/scale',
    'attn.k_norm.weight': f'{attention}/key_norm/scale',
    **{f'ls{n}.gamma': f'{ours}/{transformers.SCALES[n]}' for n in (1, 2)},
  }
  return (
    *(rules.rule(f'{at}.{name}', to) for name, to in gains.items()),
    *rules.fused((f'{at}.attn.qkv.weight', ''), attention, bias=False),
    *rules.heads_out(f'{at}.attn.proj', attention),
    *rules.dense(f'{at}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
  )


def _pooling() -> family.Rules:
  found = []
  for short, ours in (('q', 'query'), ('k', 'key'), ('v', 'value')):
    of = f'{_POOL}.cross_attn.{short}'
    found += [
      *rules.norm(f'{_POOL}.norm1_{short}', f'pooling/{ours}_norm'),
      rules.rule(f'{of}.weight', f'pooling/{ours}/kernel', rules.DENSE),
      rules.rule(f'{of}_bias', f'pooling/{ours}/bias'),
    ]
  return (*found, *rules.dense(f'{_POOL}.cross_attn.proj', 'pooling/out'))


_TOWER = (
  rules.rule('cls_token', 'cls'),
  rules.rule('pos_embed', f'{ENCODER}/posembed_input/pos_embedding'),
  *rules.dense('patch_embed.proj', 'embedding', rules.CONV),
  *_block(),
  *_pooling(),
)

FAMILY = family.Family(
  source='https://github.com/OpenGVLab/InternVideo',
  rules={'internvideo2': ((*_TOWER, *rules.norm('fc_norm', 'norm')), _TOWER)},
  layout=layout,
  head=transformers.HEAD,
  left_out={
    r'^(clip_|img_|clip_img_)pos_embed$|^(final_)?clip_decoder\.': (
      'of pretraining, for images or for what its teachers see'
    ),
    r'^(text_encoder|text_proj|vision_proj|itm_head)\.|^temp$': 'of text',
  },
  heads=_HEADS,
  check=check,
  unshown=(
    settings.Unshown(
      'activation',
      {
        'gelu_tanh': "what it was trained with, flash_attn's",
        'gelu': 'what its code computes without flash_attn',
      },
      'gelu_tanh',
    ),
    settings.Unshown('pool_heads', {16: 'that of all published ones'}, 16),
  ),
  positions='bicubic',
  finish=transformers.fold_scales,
  restore=lambda arrays, _: transformers.unfold_scales(arrays),
)
