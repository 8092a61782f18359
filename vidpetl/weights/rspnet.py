"""What the files of RSPNet's nets have in common.

Pretraining saves {'epoch', 'arch', 'model', 'best_loss', 'optimizer',
'scheduler'}, with two copies of the net in 'model': that of queries,
`encoder_q`, which is trained and taken, and its moving average, that of keys.
Each is a wrapper: `encoder.`, the net, beside `fc1` and `fc2`, the projections
for appearance and motion.

Fine-tuning saves {'epoch', 'arch', 'model', 'best_acc1', …} with one wrapper:
`encoder.`, and `fc`, the classifier.

Trap: the net itself has a classifier of one class, `encoder.fc` or
`encoder.linear`, that no training uses. Files leave it where it was; it is
neither the projections nor the classifier.
"""

from __future__ import annotations

from vidpetl.weights import convnets, family, rules

_UNUSED = 'encoder_unused'


def make(backbone: str, net: list[rules.Rule], layout) -> family.Family:
  """Returns the family of one of the nets.

  Args:
    backbone: module of ours.
    net: rules of what is below `encoder.`.
    layout: from our shapes to the backbone.
  """
  return family.Family(
    source='https://github.com/PeihaoChen/RSPNet',
    rules={backbone: (tuple(net),)},
    layout=lambda shapes, _: layout(shapes),
    head=convnets.HEAD,
    whole=('encoder.', r'^fc\.'),
    partial=True,
    rename=(
      (r'^encoder\.(?=(fc|linear)\.)', f'{_UNUSED}.'),
      (r'^encoder\.', ''),
    ),
    left_out={
      **convnets.COUNTS,
      r'^encoder_k\.': "of the keys' encoder, an average of the queries'",
      r'^queue(_ptr)?$': 'keys of other clips, which pretraining alone needs',
      r'^fc[12]\.': "pretraining's projections",
      rf'^{_UNUSED}\.': "the net's own classifier, which nothing has trained",
    },
  )
