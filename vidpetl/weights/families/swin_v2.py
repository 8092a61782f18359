"""Swin V2 for images, as its authors publish it (.pth), and timm.

As it is, every frame is encoded by itself. A model with longer patches and
windows starts from it: filters are repeated and divided (config.init.inflate
'average'), and distances in time weigh nothing at first.

Traps: no array of timm's shows the windows, and none at all those that biases
were trained for (window12to16 and window12to24). Queries and values have biases
and keys have none. timm counts what merges patches to the stage behind it.
"""

from vidpetl.weights import family, rules, swins, swins_v2


def _block(theirs: str, ours: str) -> list[rules.Rule]:
  at, attention = f'{theirs}.attn', f'{ours}/{swins_v2.ATTENTION}'
  parts = [f'{attention}/{n}/kernel' for n in ('query', 'key', 'value')]
  return [
    rules.rule(
      f'{at}.logit_scale', f'{attention}/logit_scale', swins_v2.PER_HEAD
    ),
    *swins_v2.positions(f'{at}.cpb_mlp', attention),
    rules.rule(f'{at}.qkv.weight', parts, '(n h c) i -> n i h c'),
    rules.rule(f'{at}.q_bias', f'{attention}/query/bias', '(h c) -> h c'),
    rules.rule(f'{at}.v_bias', f'{attention}/value/bias', '(h c) -> h c'),
    *rules.heads_out(f'{at}.proj', attention),
    *rules.norm(f'{theirs}.norm1', f'{ours}/LayerNorm_0'),
    *rules.norm(f'{theirs}.norm2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{theirs}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
  ]


def _rules(first: int) -> family.Rules:
  """Rules of files in which the first merging is in the stage `first`."""
  return (
    *swins.ends(rules.IMAGE_CONV),
    *swins.stages(
      [f'layers.{s}.blocks' for s in swins.STAGES],
      [f'layers.{s + first}.downsample' for s in swins.STAGES[:-1]],
      block=_block,
    ),
  )


FAMILY = family.Family(
  source='https://github.com/microsoft/Swin-Transformer',
  rules={'swin_v2': (_rules(0), _rules(1))},
  layout=lambda shapes, _: swins_v2.layout(shapes),
  head=swins.HEAD,
  rename=((r'^head\.fc\.', 'head.'),),
  left_out=swins_v2.BUFFERS,
  axes=swins_v2.head_width,
  coded=swins_v2.window_of,
  unshown=swins_v2.UNSHOWN,
  inflate='average',
  takes='timm: timm.models.swin_transformer_v2.checkpoint_filter_fn reads it',
)
