"""TSA: temporal segmentation attention (Xu et al. 2022, FineDiving)."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import ranges
from vidpetl.tasks.quality import base, relative, tsa_head, tsa_steps

KIND = 'quality'


@dataclasses.dataclass(frozen=True)
class Tsa(relative.Relative):
  """Performances are cut into three steps, which are compared one by one.

      L = (d_qe - (y_q - y_e))^2 + (d_eq - (y_e - y_q))^2 + BCE(transitions)

  d_qe is regressed from the query's tokens, having attended to the exemplar's
  maps of the same step, and BCE is a mean over both videos' frames and
  transitions. A prediction is y_e + d_qe, of scores y as they are.

  In training, steps are the annotated ones at first, and predicted ones later;
  in evaluation they are predicted.

  Attributes:
    starts: of the segments, as TSA has them on FineDiving.
    truth_share: of the run, in whose epochs steps are the annotated ones:
      epoch e of n, counted from 0, is one if e / n is not more.
    tokens: to which each step is resampled.
    widths: channels of the segmentation, but for the last, the frames.
    blocks: of cross-attention.
    heads: of attention; must divide d // 2^(number of widths) of a backbone
      that is d wide, 64 of I3D.
    scramble: reorders the maps [segments, d, h, w] to [h w, segments, d] as
      published, by reading memory on in the new shape, so that what should be
      one place's features in time is a mix of places, channels and times; else
      each place keeps its own.
  """

  starts: base.Starts = tuple(range(0, 81, 10))
  truth_share: ranges.Share = 0.25
  tokens: ranges.Count = 5
  widths: Annotated[tuple[ranges.Count, ...], ranges.Filled()] = (
    12,
    24,
    48,
    96,
  )
  blocks: ranges.Count = 3
  heads: ranges.Count = 8
  scramble: bool = False

  def __post_init__(self):
    super().__post_init__()
    frames = self.train_clip.frames
    if frames < 4 or self.eval_clip.frames != frames:
      raise ValueError(
        f'{self.where("clip.frames")} is {frames}, and eval_clip.frames '
        f'{self.eval_clip.frames}: they must be the same, and at least 4.'
      )
    if self.table:
      self._check_steps()

  def read_blocks(self) -> tuple[int, ...]:
    return ()  # `blocks` is an option here.

  def head(self) -> tsa_head.TsaHead:
    return tsa_head.TsaHead(
      self.train_clip.frames,
      tuple(self.widths),
      self.blocks,
      self.heads,
      self.scramble,
    )

  def head_inputs(self, clip):
    # Any number of transitions would do: no parameter depends on it.
    return {'steps': ((2, 2), jnp.float32)} if clip.paired else {}

  def new_state(self, params, batch_stats):
    """Returns the number of the epoch."""
    del params, batch_stats
    return {'epoch': jnp.zeros([], jnp.int32)}

  def begin_epoch(self, own, params, batch_stats):
    del params, batch_stats
    return {'epoch': own['epoch'] + 1}

  def observe(self, own, inputs, forward):
    """Tells `read` the epoch."""
    del inputs, forward
    return {'epoch': own['epoch']}, own

  def read(self, head, features, inputs, train):
    """Compares each with the other of its pair, if there are pairs.

    Returns:
      {'difference' [b, 2] of the query to its exemplar and the other way round,
      'transitions' logits [b, 2, t, 2]}; for single videos {'tokens' [b, 3,
      tokens, c], 'map' [b, 3, tokens h w, c]}.
    """
    lead = features.summary.shape[:-2]
    self._check_width(features.summary.shape[-1])
    summary = features.summary.reshape(-1, *features.summary.shape[-2:])
    grid = features.grid.reshape(-1, *features.grid.shape[-5:])
    frames, logits, maps = head.segment(summary, grid, train)
    transitions = tsa_steps.predicted(logits)
    if 'epoch' in inputs:
      truth = self._annotated(inputs['steps']).reshape(transitions.shape)
      now = inputs['epoch'] <= self.truth_share * self.plan.epochs
      transitions = jnp.where(now, truth, transitions)
    tokens = tsa_steps.tokens(frames, transitions, self.tokens)
    maps = tsa_steps.tokens(maps, transitions, self.tokens)
    maps = maps.reshape(*maps.shape[:2], -1, maps.shape[-1])
    tokens, maps, logits = (
      x.reshape(*lead, *x.shape[1:]) for x in (tokens, maps, logits)
    )
    if len(lead) == 1:
      return {'tokens': tokens, 'map': maps}
    difference = head.difference(tokens, maps[:, ::-1])
    return {'difference': difference, 'transitions': logits}

  def loss(self, outputs, batch):
    """See `Base.loss`; outputs as `read` describes."""
    valid = batch['valid']
    y = jnp.where(valid[:, None], batch['score'], 0.0)
    errors = (outputs['difference'] - (y - y[:, ::-1])) ** 2
    frames = self.train_clip.frames
    target = tsa_steps.targets(self._annotated(batch['steps']), frames)
    entropies = optax.sigmoid_binary_cross_entropy(
      outputs['transitions'], target
    )
    score = jnp.where(valid, errors.sum(-1), 0.0).sum()
    transitions = jnp.where(valid, entropies.mean((1, 2, 3)), 0.0).sum()
    return (
      score + transitions,
      valid.sum() * 1.0,
      {'score': score, 'transitions': transitions},
    )

  def outputs(self, outputs, batch):
    return {**outputs, 'score': batch['score']}

  def compare(self, head, pairs):
    """Returns final scores of the queries, [p]."""
    query, exemplar = pairs['query'], pairs['exemplar']
    difference = head.difference(query['tokens'], exemplar['map'])
    return {'predicted': exemplar['score'] + difference}

  def protocol(self) -> dict[str, Any]:
    return super().protocol() | {
      'tokens': self.tokens,
      'scramble': self.scramble,
    }

  def _annotated(self, places: jax.Array) -> jax.Array:
    return tsa_steps.annotated(places, self.train_clip.frames)

  def _check_width(self, d: int) -> None:
    """Raises ValueError if the backbone's features cannot be pooled so far."""
    halvings = len(self.widths)
    c = d // 2**halvings
    if not c or c % self.heads:
      raise ValueError(
        f'{self.where("heads")} is {self.heads}, but features {d} wide are '
        f'{c} wide after {halvings} poolings (widths); heads must divide that.'
      )

  def _check_steps(self) -> None:
    """Raises ValueError unless transitions of every example are known."""
    steps = np.asarray(self.table['steps'], float)
    known = np.isfinite(steps).sum(-1)
    if (known < 2).any():
      i = np.flatnonzero(known < 2)[0]
      raise ValueError(
        f'config.tasks.{self.name}.task is quality.tsa, which needs at least '
        f'two transitions between steps, but {base.example(self.info, i)} has '
        f'{known[i]}.'
      )


build = Tsa
