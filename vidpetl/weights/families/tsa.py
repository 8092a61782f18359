"""TSA's I3D and head (Xu et al. 2022), as FineDiving's code saves them.

The backbone is used as CoRe's is. Trap: that code reads maps of space on in
another order than that of their cells, as config.tasks.<task>.scramble=True
does.
"""

from vidpetl.weights import quality_heads

FAMILY = quality_heads.make(
  'https://github.com/xujinglin/FineDiving',
  quality_heads.CORE_BACKBONE,
  'pecop',
  quality_heads.segmentation(),
  'A head that its code trained needs config.tasks.<task>.scramble=True.',
)
