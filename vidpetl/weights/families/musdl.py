"""MUSDL's I3D and networks (Tang et al. 2020), as its code saves them.

There is a network per judge, 7 of MTL-AQA, and one per criterion, 6 of JIGSAWS.
Trap: the backbone is piergiaj's I3D, and not that of CoRe.
"""

from vidpetl.weights import quality_heads

FAMILY = quality_heads.make(
  'https://github.com/nzl-thu/MUSDL',
  quality_heads.MUSDL_BACKBONE,
  'piergiaj',
  quality_heads.JUDGES,
)
