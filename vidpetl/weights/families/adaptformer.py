"""AdaptFormer (Chen et al. 2022), as its code saves models: base and adapters.

Of images, MAE's ViT with a class token; of videos, VideoMAE's. Query, key and
value are layers of their own. The head has a BatchNorm before it.

Trap: an image's head reads the class token unless the last norm is `fc_norm`.
"""

from vidpetl.recipes import methods
from vidpetl.weights import family, rules, transformers, tuned
from vidpetl.weights.families import videomae

_SITE = 'site_mlp_residual/Adapter'
_NAMES = ('down_proj', 'up_proj')


def _rules(encoder: str, ends: list[rules.Rule], biases: str) -> family.Rules:
  """Rules of a ViT.

  Args:
    encoder: our module.
    ends: rules of what is before the blocks and behind them.
    biases: which of q, k and v have one.
  """
  theirs, ours = 'blocks.{i}', f'{encoder}/{transformers.BLOCK}'
  attention = f'{ours}/{transformers.ATTENTION}'
  found = [*ends]
  for letter, name in zip('qkv', ('query', 'key', 'value')):
    layer, at = f'{theirs}.attn.{letter}_proj', f'{attention}/{name}'
    found.append(
      rules.rule(f'{layer}.weight', f'{at}/kernel', '(h c) i -> i h c')
    )
    if letter in biases:
      found.append(rules.rule(f'{layer}.bias', f'{at}/bias', '(h c) -> h c'))
  return (
    *found,
    *rules.norm(f'{theirs}.norm1', f'{ours}/LayerNorm_0'),
    *rules.heads_out(f'{theirs}.attn.proj', attention),
    *rules.norm(f'{theirs}.norm2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{theirs}.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.fc2', f'{ours}/MlpBlock_0/Dense_1'),
    *tuned.bottleneck(f'{theirs}.adaptmlp', f'{ours}/{_SITE}', _NAMES),
  )


def _image(norm: str) -> family.Rules:
  encoder = 'SpatialTransformer'
  ends = [
    rules.rule('cls_token', 'cls'),
    rules.rule('pos_embed', f'{encoder}/posembed_input/pos_embedding'),
    *rules.dense('patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *rules.norm(norm, 'norm'),
  ]
  return _rules(encoder, ends, 'qkv')


def _video() -> family.Rules:
  ends = [
    *rules.dense('patch_embed.proj', 'embedding', rules.CONV),
    *rules.norm('fc_norm', 'norm'),
  ]
  return _rules(videomae.ENCODER, ends, 'qv')


def _layout(shapes: family.Shapes, target: str) -> family.Layout:
  is_image = 'cls' in shapes
  if is_image:
    base = transformers.vit_layout(shapes, 'mae')
  else:
    base = videomae.layout(shapes, target)
  width = tuned.width(shapes, f'{_SITE}/down/kernel')
  entries, _ = methods.make(
    'adaptformer', site='mlp_residual', bottleneck=width
  )
  return family.Layout(
    base.backbone,
    base.video,
    petl=entries,
  )


FAMILY = family.Family(
  source='https://github.com/ShoufaChen/AdaptFormer',
  rules={'vit': (_image('norm'), _image('fc_norm'), _video())},
  layout=_layout,
  head=(
    rules.rule('head.0.running_mean', 'batch_stats/norm/mean'),
    rules.rule('head.0.running_var', 'batch_stats/norm/var'),
    *rules.dense('head.1', 'output_projection'),
  ),
  left_out={r'^head\.0\.num_batches_tracked$': 'a count of steps'},
  read_only='such a file is read, and none is written',
  note="A head of its code needs config.tasks.<task>.norm='batch'.",
  heads=transformers.HEADS,
  fields=transformers.summary,
  positions='bicubic',
)
