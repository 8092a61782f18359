"""VideoMAE's ViTs, from `model.safetensors` at Hugging Face.

What `videomae` says of heads, norms and positions holds here as well.

Traps:
  Biases of queries and values are `q_bias` and `v_bias` in the files, and
  also in those that transformers 5 writes, but `query.bias` and `value.bias`
  in a state_dict of transformers 5. Both are taken; `q_bias` is written.
  Early versions of transformers 5 start these biases from zero without an
  error: features that were taken with one are not those of the weights.
  Configs there say 1e-12 for the epsilon of LayerNorms; the models were
  trained with 1e-6, which is what they have here.
"""

from vidpetl.weights import family, hugging_face, rules, settings, transformers
from vidpetl.weights.families import videomae


def _rules(norm: str) -> family.Rules:
  at = 'encoder.layer.{i}'
  ours = f'{videomae.ENCODER}/{transformers.BLOCK}'
  inner, attention = f'{at}.attention.attention', transformers.ATTENTION
  names = [f'{inner}.{n}' for n in ('query', 'key', 'value')]
  names.append(f'{at}.attention.output.dense')
  biases = [('q_bias', 'query'), ('v_bias', 'value')]
  return (
    *rules.dense(
      'embeddings.patch_embeddings.projection', 'embedding', rules.CONV
    ),
    *rules.norm(f'{at}.layernorm_before', f'{ours}/LayerNorm_0'),
    *rules.heads(names, f'{ours}/{attention}', bias=False),
    *(
      rules.rule(
        f'{inner}.{name}', f'{ours}/{attention}/{of}/bias', '(h c) -> h c'
      )
      for name, of in biases
    ),
    *rules.norm(f'{at}.layernorm_after', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.intermediate.dense', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.output.dense', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.norm(norm, 'norm'),
  )


FAMILY = family.Family(
  source='https://huggingface.co/MCG-NJU',
  rules={'vit': tuple(map(_rules, ('fc_norm', 'layernorm')))},
  layout=videomae.layout,
  head=tuple(rules.dense('classifier', 'output_projection')),
  rename=(
    (r'\.attention\.query\.bias$', '.attention.q_bias'),
    (r'\.attention\.value\.bias$', '.attention.v_bias'),
  ),
  left_out=videomae.FAMILY.left_out,
  heads=transformers.HEADS,
  fields=lambda names: videomae.summary(
    names, 'fc_norm.weight', 'classifier.weight'
  ),
  unshown=(
    *videomae.UNSHOWN,
    settings.Unshown(
      'epsilon', {1e-6: 'that of training', 1e-12: "transformers'"}, 1e-6
    ),
  ),
  config=hugging_face.Kind(
    model_types=('videomae',),
    defaults={
      'num_attention_heads': 12,
      'hidden_act': 'gelu',
      'layer_norm_eps': 1e-12,
      'image_size': 224,
      'patch_size': 16,
      'tubelet_size': 2,
      'num_frames': 16,
    },
    plain='VideoMAEModel',
    classifier='VideoMAEForVideoClassification',
    flags={'use_mean_pooling': 'fc_norm.weight'},
    processor='VideoMAEImageProcessor',
  ),
  whole=('videomae.', r'^(classifier|fc_norm)\.'),
)
