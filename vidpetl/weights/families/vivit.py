"""ViViT, as scenic publishes it: Flax checkpoints, msgpack files or orbax.

Names are ours already. Which ViViT it is, the names say: of a factorised
encoder, or of one for all tokens, with class tokens or without. What they do
not say, `vivits.UNSHOWN` has: a factorised encoder without class tokens is the
published classifier ('pooled', which --head takes), or keeps its grid;
factorised dot-product attention has the parameters of joint attention, and
factorised self-attention may begin with either axis.

Tables do not say how many of their positions are frames, rows and columns.
Those of frames are taken to be square, and where the frames are in the same
table, to be of 224 pixels, as all that is published has; `convert --grid=t,h,w`
or `config.init.grid` say otherwise.

Old files have the parameters under `optimizer/target`, newer ones under
`params`; the oldest have names from before Flax's Linen.
"""

from vidpetl.weights import family, rules, vivits

FAMILY = family.Family(
  source='https://github.com/google-research/scenic/tree/main/scenic/projects/vivit',
  rules={'vivit': vivits.TREES},
  layout=lambda shapes, _: vivits.layout(shapes),
  head=(
    rules.rule('output_projection/kernel', 'output_projection/kernel'),
    rules.rule('output_projection/bias', 'output_projection/bias'),
  ),
  # Layers of a block were counted together before Linen.
  rename=(
    ('/LayerNorm_2/', '/LayerNorm_1/'),
    ('/MultiHeadDotProductAttention_1/', '/MultiHeadDotProductAttention_0/'),
    ('/MlpBlock_3/', '/MlpBlock_0/'),
  ),
  normalisation=(0.5, 0.5),
  unshown=vivits.UNSHOWN,
  takes="scenic: names are paths in the tree of its parameters, joined by '/'",
)
