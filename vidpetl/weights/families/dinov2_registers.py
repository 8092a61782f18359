"""DINOv2's image ViTs with registers, from Meta's `.pth` files, and timm's.

What `dinov2` says of LayerScales and of SwiGLUs holds here as well.

Traps:
  Positions are those of the class token and of patches; registers have none.
  timm adds the class token's to the token itself, whose position is 0 then.
  Tables are for 37 x 37 patches, and are resized bicubically with antialiasing.
"""

import numpy as np

from vidpetl.weights import family, rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import dinov2

TABLE = 'SpatialTransformer/posembed_input/pos_embedding'
# timm's, which is of patches alone.
_PATCHES = 'SpatialTransformer/patch_positions'


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for ViTs without registers."""
  if not any(name.endswith(dinov2.REGISTERS) for name in shapes):
    raise WeightsError(
      'there are no register tokens: --from=dinov2, or dinov2_hf of Hugging '
      'Face, reads it'
    )


def finish(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  found = dinov2.finish(arrays)
  if _PATCHES in found:
    patches = found.pop(_PATCHES)
    found[TABLE] = np.pad(patches, [(0, 0), (1, 0), (0, 0)])
  return found


def _rules() -> tuple[family.Rules, ...]:
  metas = [
    (*dinov2.plain(gated), rules.rule('register_tokens', 'registers'))
    for gated in (False, True)
  ]
  timms = [each for each in dinov2.plain() if each.theirs != 'pos_embed']
  timms.append(rules.rule('pos_embed', _PATCHES))
  return *metas, (*timms, rules.rule('reg_token', 'registers'))


FAMILY = family.Family(
  source='https://github.com/facebookresearch/dinov2',
  rules={'vit': _rules()},
  layout=dinov2.layout,
  left_out=dinov2.MASK,
  heads=dinov2.HEADS,
  check=check,
  positions='bicubic_antialias',
  finish=finish,
  restore=dinov2.restore,
  buffers=dinov2.mask('mask_token'),
)
