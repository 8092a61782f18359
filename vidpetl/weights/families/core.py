"""CoRe's I3D and regression tree (Yu et al. 2021), as its code saves them.

Published for MTL-AQA and AQA-7. CoRe uses the backbone with
config.backbone.variant='pecop', on ImageNet's pixels.
"""

from vidpetl.weights import quality_heads

FAMILY = quality_heads.make(
  'https://github.com/yuxumin/CoRe',
  quality_heads.CORE_BACKBONE,
  'pecop',
  quality_heads.tree(5),
)
