"""DINOv2's ViTs with registers, from `model.safetensors` at Hugging Face.

What `dinov2_hf` says of names and configs holds here as well, and what
`dinov2_registers` says of positions.
"""

from vidpetl.weights import family, hugging_face, rules
from vidpetl.weights.families import dinov2, dinov2_hf, dinov2_registers

_REGISTERS = rules.rule('embeddings.register_tokens', 'registers')

FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={'vit': tuple((*each, _REGISTERS) for each in dinov2_hf.RULES)},
  layout=dinov2.FAMILY.layout,
  rename=dinov2_hf.RENAME,
  left_out=dinov2_hf.LEFT_OUT,
  heads=dinov2.HEADS,
  check=dinov2_registers.check,
  positions='bicubic_antialias',
  finish=dinov2.finish,
  restore=dinov2.restore,
  buffers=dinov2.mask('embeddings.mask_token'),
  config=hugging_face.Kind(
    model_types=('dinov2_with_registers',),
    defaults={
      **dinov2_hf.DEFAULTS,
      'patch_size': 16,
      'num_register_tokens': 4,
    },
    plain='Dinov2WithRegistersModel',
    processor='BitImageProcessor',
    moving=False,
    fields={'use_swiglu_ffn': 'gated', 'num_register_tokens': 'registers'},
    read=dinov2_hf.read,
    write=dinov2_hf.write,
  ),
)
