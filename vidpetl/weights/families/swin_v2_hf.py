"""Swin V2 for images, from `model.safetensors` at Hugging Face.

What `swin_v2` says holds here as well; windows are those of its config.json
(window_size, pretrained_window_sizes), and said by --set.
"""

from vidpetl.weights import family, rules, swins, swins_v2
from vidpetl.weights.families import swin_v2


def _block(theirs: str, ours: str) -> list[rules.Rule]:
  at, attention = f'{theirs}.attention.self', f'{ours}/{swins_v2.ATTENTION}'
  split = '(h c) i -> i h c'
  return [
    rules.rule(
      f'{at}.logit_scale', f'{attention}/logit_scale', swins_v2.PER_HEAD
    ),
    *swins_v2.positions(f'{at}.continuous_position_bias_mlp', attention),
    *(
      rules.rule(f'{at}.{name}.weight', f'{attention}/{name}/kernel', split)
      for name in ('query', 'key', 'value')
    ),
    *(
      rules.rule(f'{at}.{n}.bias', f'{attention}/{n}/bias', '(h c) -> h c')
      for n in ('query', 'value')
    ),
    *rules.heads_out(f'{theirs}.attention.output.dense', attention),
    *rules.norm(f'{theirs}.layernorm_before', f'{ours}/LayerNorm_0'),
    *rules.norm(f'{theirs}.layernorm_after', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{theirs}.intermediate.dense', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.output.dense', f'{ours}/MlpBlock_0/Dense_1'),
  ]


RULES = (
  *rules.dense(
    'embeddings.patch_embeddings.projection',
    'patch_embed/proj',
    rules.IMAGE_CONV,
  ),
  *rules.norm('embeddings.norm', 'patch_embed/norm'),
  *swins.stages(
    [f'encoder.layers.{s}.blocks' for s in swins.STAGES],
    [f'encoder.layers.{s}.downsample' for s in swins.STAGES[:-1]],
    block=_block,
  ),
  *rules.norm('layernorm', 'norm'),
)

FAMILY = family.Family(
  source='https://huggingface.co/microsoft',
  rules={'swin_v2': (RULES,)},
  layout=swin_v2.FAMILY.layout,
  head=tuple(rules.dense('classifier', 'output_projection')),
  left_out=swins_v2.BUFFERS,
  axes=swins_v2.head_width,
  unshown=swins_v2.UNSHOWN,
  inflate='average',
  whole=('swinv2.', r'^classifier\.'),
)
