"""CLIP's image towers, from OpenAI's `.pt` files or open_clip's.

OpenAI's are TorchScript archives, programs with float16 arrays, of which the
arrays alone are read. open_clip's are `.pt` files with a 'state_dict' or
safetensors, under the same names. The text tower and the projection into the
space that both share are left out.

Traps:
  OpenAI's models have QuickGELU, which is the backbone's default. Those that
  open_clip trained on LAION and DataComp have GELU, unless their names end in
  '-quickgelu': config.backbone.activation = 'gelu'. No file shows which.
  A token's width tells the number of heads: 64 per head, but 80, 88 and 104 in
  open_clip's H, g and bigG.
  ResNets and towers of timm's (`visual.trunk`) have other names, and are
  refused.
"""

from vidpetl.weights import family, rules, transformers

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
NOTE = (
  "config.backbone.activation: 'quick_gelu', the default, is OpenAI's and that "
  "of open_clip's models in '-quickgelu'; its others have 'gelu'. It is in no "
  'file'
)
PROJECTION = 'projects into the space shared with text'
TEXT = 'of the text tower'


def _rules() -> family.Rules:
  encoder = 'SpatialTransformer'
  at = 'visual.transformer.resblocks.{i}'
  ours = f'{encoder}/{transformers.BLOCK}'
  attention = f'{ours}/{transformers.ATTENTION}'
  fused = [f'{at}.attn.in_proj_{n}' for n in ('weight', 'bias')]
  table = f'{encoder}/posembed_input/pos_embedding'
  return (
    rules.rule('visual.class_embedding', 'cls', 'd -> 1 1 d'),
    rules.rule('visual.positional_embedding', table, 'n d -> 1 n d'),
    rules.rule('visual.conv1.weight', 'embedding/kernel', rules.IMAGE_CONV),
    *rules.norm('visual.ln_pre', f'{encoder}/pre_norm'),
    *rules.norm(f'{at}.ln_1', f'{ours}/LayerNorm_0'),
    *rules.fused(fused, attention),
    *rules.heads_out(f'{at}.attn.out_proj', attention),
    *rules.norm(f'{at}.ln_2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.mlp.c_fc', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.c_proj', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.norm('visual.ln_post', 'norm'),
  )


FAMILY = family.Family(
  source='https://github.com/openai/CLIP',
  rules={'vit': (_rules(),)},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'clip'),
  left_out={
    '^visual.proj$': PROJECTION,
    r'^(text|transformer|token_embedding|ln_final)\.': TEXT,
    '^(positional_embedding|text_projection|attn_mask)$': TEXT,
    '^logit_(scale|bias)$': TEXT,
    r'(^|\.)(input_resolution|context_length|vocab_size)$': 'a size',
  },
  axes=transformers.head_width,
  normalisation=(MEAN, STD),
  note=NOTE,
)
