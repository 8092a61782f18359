"""The video tower of VideoPrism LvT, from `model.safetensors` at Hugging Face.

That of `VideoPrismVideoModel`, and of `VideoPrismClipModel`, whose text tower
is left out. What `videoprism` says holds here as well.
"""

from vidpetl.weights import family, transformers, videoprisms

FAMILY = family.Family(
  source='https://huggingface.co/google/videoprism-lvt-base-f16r288',
  rules={
    'videoprism': (
      (
        *videoprisms.transformers_encoder('vision_model.'),
        *videoprisms.transformers_auxiliary(),
        *videoprisms.transformers_pooler(),
      ),
    ),
  },
  layout=lambda shapes, _: videoprisms.layout(shapes),
  left_out={
    r'^text_model\.': 'the text tower of LvT, for which there is no place',
    r'^head\.k_proj\.bias$': videoprisms.UNMEANT,
  },
  heads=transformers.HEADS,
  normalisation=videoprisms.PIXELS,
  positions='linear_antialias',
  unshown=videoprisms.UNSHOWN,
  finish=videoprisms.finish,
  restore=videoprisms.restore,
  buffers=videoprisms.transformers_buffers,
  config=videoprisms.kind(
    'VideoPrismVideoModel',
    ('videoprism_vision_model', 'videoprism'),
    # Of arrays of another length, ours would be another.
    fields={'apply_l2norm': 'unit'},
    fixed={'unit': True},
    shown={'num_auxiliary_layers': 'auxiliary_depth'},
  ),
)
