"""RVM, from `pretrain_rvm_….npz` of google-deepmind/representations4d.

The decoder of pretraining is left out. Sizes are those of the arrays: the core
of S has 8 heads and MLPs of 2048, which follows from no other size.

Traps:
  Pixels are in [0, 1], without a mean taken off.
  The authors' code may compute in bfloat16; here it is as `dtype` says.
"""

from vidpetl.weights import family, rules, transformers

_ENCODER, _CORE = 'SpatialTransformer', 'core'
_BLOCK = 'rnn_core/transformer/xa_blocks_{i}'
_OURS = f'{_CORE}/{transformers.BLOCK}'
_GATES = [
  f'{side}_{gate}'
  for side in ('input', 'state')
  for gate in ('update', 'reset')
]


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  """Returns the layout, for any clips."""
  *tubelet, _, _ = shapes['embedding/kernel']
  core = transformers.sizes(shapes, _CORE)
  fields = {
    'name': 'rvm',
    **transformers.sizes(shapes, _ENCODER),
    'tubelet': tuple(tubelet),
    **{f'core_{name}': core[name] for name in ('depth', 'heads', 'mlp')},
  }
  return family.Layout(fields, (16, *(16 * size for size in tubelet[1:])))


FAMILY = family.Family(
  source='https://github.com/google-deepmind/representations4d',
  rules={
    'rvm': (
      (
        rules.rule('cls_token', 'cls', '1 d -> 1 1 d'),
        *rules.flax('tokenizer/patch_embedding/Conv_0', 'embedding'),
        *transformers.kauldron_blocks('encoder/layers_{i}', _ENCODER),
        *rules.flax('encoder/LayerNorm_0', f'{_ENCODER}/encoder_norm', 'scale'),
        *(
          rules.rule(f'rnn_core/{gate}/kernel', f'{_CORE}/{gate}/kernel')
          for gate in _GATES
        ),
        rules.rule(
          'rnn_core/state_layer_norm/scale', f'{_CORE}/state_norm/scale'
        ),
        *transformers.kauldron_blocks(_BLOCK, _CORE),
        *rules.flax(
          f'{_BLOCK}/ca_attention_norm', f'{_OURS}/LayerNorm_cross', 'scale'
        ),
        *(
          rule
          for name in ('query', 'key', 'value', 'out')
          for rule in rules.flax(
            f'{_BLOCK}/ca_attention/{name}', f'{_OURS}/CrossAttention_0/{name}'
          )
        ),
        *rules.flax(
          'rnn_core/transformer/output_norm', f'{_CORE}/output_norm', 'scale'
        ),
      ),
    ),
  },
  layout=layout,
  left_out={
    '^(decoder/|decoder_embedder/|delta_embedder/|detokenizer/|mask_token$)': (
      'of the decoder that pretraining ends in'
    ),
  },
  normalisation=(0.0, 1.0),
  takes="Flax: names are paths in the tree of its parameters, joined by '/'",
)
