"""USDL's I3D and its network (Tang et al. 2020), as MUSDL's code saves them."""

from vidpetl.weights import quality_heads

FAMILY = quality_heads.make(
  'https://github.com/nzl-thu/MUSDL',
  quality_heads.MUSDL_BACKBONE,
  'piergiaj',
  quality_heads.SCORE,
)
