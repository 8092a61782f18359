"""VideoPrism's encoder, from `model.safetensors` at Hugging Face.

That of `VideoPrismVisionModel`, and of `VideoPrismForVideoClassification`,
whose pooler is the backbone's summary and whose classifier `--head` takes.
What `videoprism` says holds here as well. LvT's is `videoprism_lvt_hf`.
"""

from vidpetl.weights import family, rules, transformers, videoprisms

_ENCODER = videoprisms.transformers_encoder()

FAMILY = family.Family(
  source='https://huggingface.co/google/videoprism-base-f16r288',
  rules={
    'videoprism': (
      _ENCODER,
      (*_ENCODER, *videoprisms.transformers_pooler()),
    ),
  },
  layout=lambda shapes, _: videoprisms.layout(shapes),
  head=tuple(rules.dense('classifier', 'output_projection')),
  left_out={r'^head\.k_proj\.bias$': videoprisms.UNMEANT},
  heads=transformers.HEADS,
  normalisation=videoprisms.PIXELS,
  positions='linear_antialias',
  unshown=videoprisms.UNSHOWN,
  finish=videoprisms.finish,
  restore=videoprisms.restore,
  buffers=videoprisms.transformers_buffers,
  config=videoprisms.kind(
    'VideoPrismVisionModel',
    ('videoprism_vision_model',),
    classifier='VideoPrismForVideoClassification',
  ),
  whole=('vision_model.', r'^(head|head_layernorm|classifier)\.'),
)
