"""CLIP's image towers, from OpenAI's `.pt` files or open_clip's.

OpenAI's are TorchScript archives, programs with float16 arrays, of which the
arrays alone are read. open_clip's are `.pt` files with a 'state_dict' or
safetensors, under the same names. The text tower and the projection into the
space that both share are left out.

Traps:
  OpenAI's code (`CLIP` of clip/model.py) has QuickGELU, and a head for every 64
  channels; its files hold sizes (`input_resolution`), by which they are known.
  The models that open_clip trained on LAION and DataComp have GELU, unless
  their names end in '-quickgelu', and heads of other widths as well. No file of
  these shows which, so it is asked for.
  open_clip's own code resizes positions with antialiasing; OpenAI's has no
  such code, and those that build on it (AIM, ST-Adapter) and transformers
  resize without.
  ResNets and towers of timm's (`visual.trunk`) have other names, and are
  refused.
"""

from typing import Any

from vidpetl.weights import family, rules, settings, transformers

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
UNSHOWN = (
  settings.Unshown(
    'activation',
    {
      'quick_gelu': "OpenAI's, and open_clip's in '-quickgelu'",
      'gelu': "open_clip's others",
    },
    settings.ASK,
  ),
)
_OPENAI = 'input_resolution'  # In its state_dict, which its code takes out.
_HEAD = 64  # channels, as its code divides them
# open_clip's e and bigG, and its smallest, have other widths.
HEADS = {**transformers.HEADS, 256: 4, 512: 8, 1664: 16, 1792: 16}
PROJECTION = 'projects into the space shared with text'
TEXT = 'of the text tower'


def _coded(shapes: family.Shapes) -> dict[str, Any]:
  """Returns what OpenAI's code makes of a file that it has written."""
  if _OPENAI not in shapes:
    return {}
  width = transformers.width_of(
    {n: s for n, s in shapes.items() if n.startswith('visual.')}
  )
  return {'heads': width // _HEAD, 'activation': 'quick_gelu'}


def tower(front: str = 'visual.') -> family.Rules:
  """Rules of a tower whose names begin with `front`."""
  encoder = 'SpatialTransformer'
  at = f'{front}transformer.resblocks.{{i}}'
  ours = f'{encoder}/{transformers.BLOCK}'
  attention = f'{ours}/{transformers.ATTENTION}'
  fused = [f'{at}.attn.in_proj_{n}' for n in ('weight', 'bias')]
  table = f'{encoder}/posembed_input/pos_embedding'
  return (
    rules.rule(f'{front}class_embedding', 'cls', 'd -> 1 1 d'),
    rules.rule(f'{front}positional_embedding', table, 'n d -> 1 n d'),
    rules.rule(f'{front}conv1.weight', 'embedding/kernel', rules.IMAGE_CONV),
    *rules.norm(f'{front}ln_pre', f'{encoder}/pre_norm'),
    *rules.norm(f'{at}.ln_1', f'{ours}/LayerNorm_0'),
    *rules.fused(fused, attention),
    *rules.heads_out(f'{at}.attn.out_proj', attention),
    *rules.norm(f'{at}.ln_2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.mlp.c_fc', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.c_proj', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.norm(f'{front}ln_post', 'norm'),
  )


FAMILY = family.Family(
  source='https://github.com/openai/CLIP',
  # The latter are a tower that was saved by itself.
  rules={'vit': (tower(), tower(''))},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'clip'),
  left_out={
    r'^(visual\.)?proj$': PROJECTION,
    r'^(text|transformer|token_embedding|ln_final)\.': TEXT,
    '^(positional_embedding|text_projection|attn_mask)$': TEXT,
    '^logit_(scale|bias)$': TEXT,
    r'(^|\.)(input_resolution|context_length|vocab_size)$': 'a size',
  },
  heads=HEADS,
  coded=_coded,
  normalisation=(MEAN, STD),
  unshown=UNSHOWN,
  positions='bicubic',
  partial=True,
  config='open_clip',
)
