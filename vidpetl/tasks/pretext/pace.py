"""Video pace prediction: at which of several speeds is a clip played?"""

from __future__ import annotations

import dataclasses
from typing import Any

from vidpetl import ranges
from vidpetl.data import examples
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.pretext import answers, linears

KIND = 'unlabelled'


@dataclasses.dataclass(frozen=True)
class Pace(task_lib.Task):
  """L = CE(W z + b, speed), with z the clip's summary.

  Labels come with clips of sampling 'pace', at evaluation too.

  Attributes:
    num_classes: ignored: the source's classes are not asked for.
    dropout: of the summary in training.
  """

  dropout: ranges.Rate = 0.0

  def __post_init__(self):
    super().__post_init__()
    answers.check_sampling(
      self.name,
      'pretext.pace',
      'pace',
      self.train_clip,
      self.eval_clip,
      ('rates',),
    )

  def head(self) -> linears.Linears:
    return linears.Linears(
      (('speed', self.train_clip.sampler.rates),),
      dropout=self.dropout,
      probe=self.probe,
    )

  def read(self, head, features, inputs, train):
    del inputs, train
    return head(features)

  def loss(self, logits, batch):
    """logits 'speed' [b, rates]; see `Base.loss`."""
    losses = answers.cross_entropy(logits, batch)
    return answers.summed(losses, self._right(logits, batch), batch['valid'])

  def outputs(self, logits, batch):
    return self._right(logits, batch) | answers.given(logits, batch)

  def metric(self, source: examples.Source) -> answers.Shares:
    """'accuracy': share of clips whose speed is the most probable one."""
    return answers.Shares(('accuracy',), source)

  def protocol(self) -> dict[str, Any]:
    asked = self.eval_clip.sampler
    return super().protocol() | {
      'sampling': asked.name,
      'speeds': list(asked.speeds),
    }

  def _right(self, logits, batch):
    return {'accuracy': answers.right(logits, batch)['speed']}


build = Pace
