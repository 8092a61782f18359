"""Video segment pace prediction (VSPP), the pretext task of PECoP.

One part of a clip is played at another speed than the rest: which part, and at
which speed? (Dadashzadeh et al. 2024, sec. 3.)
"""

from __future__ import annotations

import dataclasses
from typing import Any

from vidpetl.data import examples
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.pretext import answers, linears

KIND = 'unlabelled'


@dataclasses.dataclass(frozen=True)
class Vspp(task_lib.Task):
  """L = CE(f_lambda(z), speed) + CE(f_zeta(z), part), z the clip's summary.

  f_lambda has an output for each speed from 1 to `clip.rates`, also for the
  natural one that is never drawn; f_zeta has one for each of `clip.parts`.
  Labels come with clips of sampling 'vspp', at evaluation too.

  Attributes:
    num_classes: ignored: the source's classes are not asked for.
    dropout: of the summary in training, an independent mask for each layer.
  """

  dropout: float = 0.5

  def __post_init__(self):
    answers.check_sampling(
      self.name,
      'pretext.vspp',
      'vspp',
      self.train_clip,
      self.eval_clip,
      ('rates', 'parts', 'natural'),
    )
    if not 0 <= self.dropout < 1:
      raise ValueError(
        f'config.tasks.{self.name}.dropout is {self.dropout}, not in [0, 1).'
      )

  def head(self) -> linears.Linears:
    asked = self.train_clip.sampler
    sizes = (('speed', asked.rates), ('part', asked.parts))
    return linears.Linears(sizes, self.dropout)

  def read(self, head, features, inputs, train):
    del inputs, train
    return head(features)

  def loss(self, logits, batch):
    """logits 'speed' [b, rates], 'part' [b, parts]; see `Base.loss`."""
    losses = answers.cross_entropy(logits, batch)
    return answers.summed(losses, answers.right(logits, batch), batch['valid'])

  def outputs(self, logits, batch):
    return answers.right(logits, batch) | answers.given(logits, batch)

  def metric(self, source: examples.Source) -> answers.Shares:
    """'accuracy': share of clips with both answers right; and each alone."""
    return answers.Shares(('accuracy', 'speed', 'part'), source)

  def protocol(self) -> dict[str, Any]:
    asked = self.eval_clip.sampler
    return super().protocol() | {
      'sampling': asked.name,
      'speeds': list(asked.speeds),
      'natural': asked.natural,
      'parts': asked.parts,
    }


build = Vspp
