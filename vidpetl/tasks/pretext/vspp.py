"""Video segment pace prediction (VSPP), the pretext task of PECoP.

One part of a clip is played at another speed than the rest: which part, and at
which speed? (Dadashzadeh et al. 2024, sec. 3.)
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.data import examples
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.pretext import answers, linears

KIND = 'unlabelled'


@dataclasses.dataclass(frozen=True)
class Vspp(task_lib.Task):
  """L = CE(f_lambda(z), speed) + CE(f_zeta(z), part), z the clip's summary.

  f_lambda has an output for each speed that is drawn: of `clip.rates`=5 with
  `clip.natural`=1 these are 2 to 5, the paper's lambda of 4. f_zeta has one for
  each of `clip.parts`. Labels come with clips of sampling 'vspp', at evaluation
  too.

  Attributes:
    num_classes: ignored: the source's classes are not asked for.
    dropout: of the summary in training, an independent mask for each layer.
    natural_output: whether f_lambda has an output for the natural speed, too,
      that is never right, as in PECoP's code.
  """

  dropout: ranges.Rate = 0.5
  natural_output: bool = False

  def __post_init__(self):
    super().__post_init__()
    answers.check_sampling(
      self.name,
      'pretext.vspp',
      'vspp',
      self.train_clip,
      self.eval_clip,
      ('rates', 'parts', 'natural', 'natural_drawn'),
    )

  def head(self) -> linears.Linears:
    asked = self.train_clip.sampler
    sizes = (('speed', len(self._speeds())), ('part', asked.parts))
    return linears.Linears(sizes, self.dropout, probe=self.probe)

  def read(self, head, features, inputs, train):
    del inputs, train
    return head(features)

  def loss(self, logits, batch):
    """logits 'speed' [b, speeds], 'part' [b, parts]; see `Base.loss`."""
    batch = self._numbered(batch)
    losses = answers.cross_entropy(logits, batch)
    return answers.summed(losses, answers.right(logits, batch), batch['valid'])

  def outputs(self, logits, batch):
    batch = self._numbered(batch)
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

  def _speeds(self) -> tuple[int, ...]:
    """Returns which speed each output of f_lambda is for."""
    asked = self.train_clip.sampler
    return tuple(
      speed
      for speed in range(1, asked.rates + 1)
      if self.natural_output or speed in asked.speeds
    )

  def _numbered(self, batch):
    """Returns a batch whose speeds are outputs of f_lambda."""
    speeds = self._speeds()
    number = np.zeros(max(speeds), np.int32)
    number[np.array(speeds) - 1] = np.arange(len(speeds))
    return {**batch, 'speed': jnp.asarray(number)[batch['speed']]}


build = Vspp
