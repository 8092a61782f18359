"""VideoPrism's encoders, from Google's `.npz` files.

`flax_base_f16r288_repeated.npz` and its sisters have all blocks of an encoder
in one array. Those of LvT (`flax_lvt_…`) have a text encoder as well, which is
left out, and the blocks and the pooler behind the video encoder, which are
taken: the summary is what LvT compares with texts.

Traps:
  Pixels are in [0, 1], without a mean taken off.
  Scores of attention are capped at +-50, which no array shows.
  Tables of positions, 16 x 16 in space and 16 (B) or 8 (L) in time, are resized
  by `jax.image.resize`, linearly and antialiased, in space and in time.
"""

from vidpetl.weights import family, videoprisms

FAMILY = family.Family(
  source='https://github.com/google-deepmind/videoprism',
  rules={
    'videoprism': (videoprisms.google(False), videoprisms.google(True)),
  },
  layout=lambda shapes, _: videoprisms.layout(shapes),
  axes=videoprisms.google_axes,
  left_out={
    '^text_encoder/': 'the text encoder of LvT, for which there is no place',
    '^contrastive_vision_pooler/pooling_attention/key/b$': videoprisms.UNMEANT,
  },
  normalisation=videoprisms.PIXELS,
  positions='linear_antialias',
  unshown=videoprisms.UNSHOWN,
  finish=videoprisms.finish,
  restore=videoprisms.restore,
  buffers=videoprisms.google_buffers,
  takes="Flax: names are paths in the tree of its parameters, joined by '/'",
)
