"""Models that rate quality, in the names of their codes.

A file holds the parts of a model beside each other, and 'part/name' is the name
of an array.
"""

from __future__ import annotations

from vidpetl.weights import convnets, family, rules
from vidpetl.weights.families import i3d_hassony2, i3d_piergiaj

Rules = tuple[rules.Rule, ...]

LEFT_OUT = {
  **convnets.COUNTS,
  r'conv3d_0c_1x1|/logits\.': "the backbone's classifier, which no head reads",
  '^optimizer/': 'of the optimizer',
}
# Of a tree's levels: how many nodes there are, as axes of patterns.
NODES = {f'n{letter}': 2**level for level, letter in enumerate('abcde')}


def below(part: str, known: Rules) -> Rules:
  """Returns rules whose arrays are in a part of the file."""
  return tuple(
    rules.rule(f'{part}{each.theirs}', each.ours, each.pattern)
    for each in known
  )


CORE_BACKBONE = below('base_model/backbone.', i3d_hassony2.RULES)
MUSDL_BACKBONE = below('i3d/', i3d_piergiaj.RULES)


def layers(theirs: str, ours: str, count: int = 3) -> list[rules.Rule]:
  """Rules of a small network of linear layers, whose names begin so."""
  return [
    each
    for number in range(1, count + 1)
    for each in rules.dense(f'{theirs}layer{number}', f'{ours}/layer{number}')
  ]


# USDL's network, and MUSDL's, of which there is one per judge.
SCORE = tuple(layers('evaluator/evaluator.', 'score'))
JUDGES = tuple(layers('evaluator/evaluator.{i}.', 'judge{i+1}'))


def tree(depth: int) -> Rules:
  """Rules of CoRe's regression tree, whose nodes are groups of channels."""
  found = rules.dense('regressor/first_layer.0', 'root/layer1')
  for level in range(1, depth):
    at = level - 1
    found += _nodes(f'regressor/feature_layers.{at}.0', f'children{level}', at)
    found += _nodes(f'regressor/clf_layers.{at}', f'decision{level}', at)
  return (*found, *_nodes('regressor/reg_layer', 'place', depth - 1))


def _nodes(theirs: str, ours: str, level: int) -> list[rules.Rule]:
  nodes = list(NODES)[level]
  return [
    rules.rule(
      f'{theirs}.weight', f'{ours}/kernel', f'({nodes} o) i 1 -> {nodes} i o'
    ),
    rules.rule(f'{theirs}.bias', f'{ours}/bias', f'({nodes} o) -> {nodes} o'),
  ]


_UNITS = ('inc.conv', *(f'down{n}.mpconv.1' for n in range(1, 5)))


def segmentation(blocks: int = 3) -> Rules:
  """Rules of TSA's segmentation, cross-attention and regressor."""
  found = []
  for level, unit in enumerate(_UNITS, 1):
    for step, number in ((1, 0), (2, 3)):
      conv = f'psnet_model/{unit}.conv.{number}'
      norm = f'psnet_model/{unit}.conv.{number + 1}'
      ours = f'segmentation/{{}}{level}_{step}'
      found += rules.dense(conv, ours.format('conv'), 'o i t -> t i o')
      found += rules.batch_norm(norm, ours.format('norm'))
  found += layers('psnet_model/tas.', 'segmentation/transitions')
  for number in range(blocks):
    found += _attention(f'decoder/model.{number}', f'decoder_{number}')
  return (*found, *layers('regressor_delta/', 'regressor'))


def _attention(theirs: str, ours: str) -> list[rules.Rule]:
  found = []
  for name, at in {'norm_q': 'q', 'norm_v': 'v', 'norm2': 'mlp'}.items():
    found += rules.norm(f'{theirs}.{name}', f'{ours}/norm_{at}')
  for letter in 'qkv':
    kernel = f'{ours}/{letter}/kernel'
    found.append(
      rules.rule(f'{theirs}.attn.{letter}_map.weight', kernel, rules.DENSE)
    )
  found += rules.dense(f'{theirs}.attn.proj', f'{ours}/out')
  found += rules.dense(f'{theirs}.mlp.fc1', f'{ours}/mlp1')
  return [*found, *rules.dense(f'{theirs}.mlp.fc2', f'{ours}/mlp2')]


def make(
  source: str, backbone: Rules, variant: str, head: Rules, note: str = ''
) -> family.Family:
  """Returns a family of an I3D with a head.

  Args:
    source: where its code is published.
    backbone: rules of the I3D.
    variant: of `vidpetl.backbones.i3d`.
    head: rules of the head.
    note: what no array shows.
  """
  return family.Family(
    source=source,
    rules={'i3d': (backbone,)},
    layout=lambda shapes, _: convnets.i3d_layout(shapes, variant),
    head=head,
    left_out=LEFT_OUT,
    axes=lambda shapes: NODES,
    read_only='such a file is read, and none is written',
    note=note,
  )
