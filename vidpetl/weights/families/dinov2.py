"""DINOv2's image ViTs without registers, from Meta's `.pth` files, and timm's.

Every branch of a block ends in a LayerScale, a factor for each channel. It is
folded into the layer before it, so a model here has as many arrays as any ViT,
and exactly the same function. What is written has LayerScales of ones.

Traps:
  Tables are for 37 x 37 patches of 14 pixels; the code resizes them to 16 x 16
  for 224 pixels by PyTorch's bicubic. Meta's first models add 0.1 to the sizes
  there, which moves positions by another half percent and is not repeated.
  Those with registers are the family `dinov2_registers`: they are resized by
  another rule.
  MLPs of ViT-g are SwiGLUs, `w12` and `w3`; timm calls them fc1 and fc2.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError

HEADS = {384: 6, 768: 12, 1024: 16, 1536: 24}
MASK = {'mask_token$': 'stands for masked patches, in pretraining alone'}
ENCODER = 'SpatialTransformer'
OURS = f'{ENCODER}/{transformers.BLOCK}'
REGISTERS = ('register_tokens', 'reg_token')


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for ViTs with registers."""
  if any(name.endswith(REGISTERS) for name in shapes):
    raise WeightsError(
      'there are register tokens: --from=dinov2_registers, or '
      'dinov2_registers_hf of Hugging Face, reads it'
    )


def scales(theirs: Sequence[str]) -> Sequence[rules.Rule]:
  """Rules of the LayerScales of a block, the attention's first."""
  return [
    rules.rule(name, f'{OURS}/{transformers.SCALES[n]}')
    for n, name in enumerate(theirs, 1)
  ]


def plain(gated: bool = False) -> family.Rules:
  """Rules of Meta's names, which are timm's."""
  swiglu = {'w12': transformers.GATED, 'w3': 'Dense_1'}
  mlp = transformers.mlps('blocks.{i}.mlp', OURS, swiglu) if gated else ()
  return (
    *transformers.image_vit('norm', mlp),
    *scales([f'blocks.{{i}}.ls{n}.gamma' for n in (1, 2)]),
  )


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  found = transformers.vit_layout(shapes, 'dinov2')
  mlp = f'{ENCODER}/encoderblock_0/{transformers.MLP}'
  shown = {
    'registers': shapes['registers'][1] if 'registers' in shapes else 0,
    'gated': transformers.is_gated(shapes, mlp),
  }
  return family.Layout({**found.backbone, **shown}, found.video)


def finish(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  return transformers.fold_scales(transformers.join_gates(arrays))


def opened(
  arrays: dict[str, np.ndarray],
  backbone: Mapping[str, Any],
  kind: str,
  apart: bool = False,
) -> dict[str, np.ndarray]:
  """Returns arrays with LayerScales and gates as rules name them.

  Args:
    arrays: by our names.
    backbone: fields of `config.backbone`, where they are known. Another kind's
      arrays may have the same names, and stay as they are.
    kind: the backbone's, 'dinov2' or 'dinov3'.
    apart: see `transformers.mark_gates`.
  """
  if backbone.get('kind', backbone.get('name', kind)) != kind:
    return arrays
  return transformers.mark_gates(transformers.unfold_scales(arrays), apart)


def restore(
  arrays: dict[str, np.ndarray], backbone: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  return opened(arrays, backbone, 'dinov2')


def mask(name: str, axes: int = 2) -> Callable[..., dict[str, np.ndarray]]:
  """Returns what gives the token of masked patches, which is 0: none are."""

  def zeros(arrays, backbone):
    width = next(a for n, a in arrays.items() if n.endswith('cls_token')).size
    return {name: np.zeros((1,) * (axes - 1) + (width,), np.float32)}

  return zeros


FAMILY = family.Family(
  source='https://github.com/facebookresearch/dinov2',
  rules={'vit': (plain(), plain(gated=True))},
  layout=layout,
  left_out=MASK,
  heads=HEADS,
  check=check,
  positions='bicubic',
  finish=finish,
  restore=restore,
  buffers=mask('mask_token'),
)
