"""ST-Adapter on CLIP (Pan et al. 2022): adapters and head, `.pth` files.

Models with 24 and with 12 adapters, which names tell apart. Published files
hold what was trained alone: `--base` of vidpetl.convert adds CLIP's tower.

Trap: the head reads the LayerNorm of the mean class token,
config.backbone.summary='mean_norm'.
"""

from vidpetl.recipes import methods
from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import clip

_BLOCK = f'SpatialTransformer/{transformers.BLOCK}'
_SITES = {
  'adapter_pre_attn': 'block_in',
  'adapter_pre_mlp': 'attn_residual',
}


def _adapters(names: tuple[str, ...]) -> family.Rules:
  found = []
  for name in names:
    theirs = f'transformer.resblocks.{{i}}.{name}'
    ours = f'{_BLOCK}/site_{_SITES[name]}/STAdapter'
    found += [
      *rules.dense(f'{theirs}.fc1', f'{ours}/down'),
      *rules.dense(f'{theirs}.conv', f'{ours}/conv', 'o 1 t h w -> t h w o'),
      *rules.dense(f'{theirs}.fc2', f'{ours}/up'),
    ]
  return tuple(found)


def _layout(shapes: family.Shapes, _: str) -> family.Layout:
  if 'cls' not in shapes:
    raise WeightsError(
      "it holds what was trained, without CLIP's tower; --base=FILE, made by "
      'convert --from=clip, adds that'
    )
  kernels = {
    name.split('/site_')[1].split('/')[0]: shape
    for name, shape in shapes.items()
    if name.endswith('STAdapter/conv/kernel')
  }
  *kernel, width = next(iter(kernels.values()))
  entries, _ = methods.make(
    'st_adapter',
    per_block=len(kernels),
    bottleneck=width,
    kernel=tuple(kernel),
  )
  base = transformers.vit_layout(shapes, 'clip')
  return family.Layout(
    {**base.backbone, 'summary': 'mean_norm'}, base.video, petl=entries
  )


_BOTH = ('adapter_pre_attn', 'adapter_pre_mlp')

FAMILY = family.Family(
  source='https://github.com/linziyi96/st-adapter',
  rules={
    'vit': tuple(
      (*tower, *_adapters(names))
      for tower in (clip.tower(''), ())
      for names in (_BOTH, _BOTH[1:])
    )
  },
  layout=_layout,
  head=tuple(rules.dense('fc', 'output_projection')),
  heads=clip.HEADS,
  normalisation=(clip.MEAN, clip.STD),
  positions='bicubic',
  read_only='such a file is read, and none is written',
)
