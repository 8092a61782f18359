"""RSPNet: relative speed perception, and which video a clip is of.

Of each video there are two clips, a query and a key, each of which can be
played at two speeds: its first half, or every second frame of it. The query and
the positive key have the same speed, the negative key is the positive's clip at
the other one (Chen et al. 2021; a pretext task of PECoP's table 5).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import mistakes, ranges
from vidpetl.data import clips, examples
from vidpetl.metrics import predictions
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.pretext import answers, contrast, linears

KIND = 'unlabelled'

_QUEUE = 16384  # of RSPNet on Kinetics-400


@dataclasses.dataclass(frozen=True)
class RspNet(task_lib.Task):
  """L = appearance L_A + motion L_M over embeddings a and m of length 1.

    L_A = -log p(a+ | a+, Q) - log p(a- | a-, Q),
      p(k | k, Q) = exp(a . k / T) / (exp(a . k / T) + sum_Q exp(a . q / T)),
    L_M = max(0, margin - (m . m+ - m . m-) / T),

  with a, m of the query; a+, m+ of the positive key and a-, m- of the negative
  one, by an encoder whose parameters follow the trained ones,
  theta_k <- momentum theta_k + (1 - momentum) theta, before each step; Q the
  queue of the last negative keys' a- of other videos. The margin is of what T
  has divided: of the cosines it is margin T.

  The key encoder's BatchNorm statistics are no average, but move as it runs: on
  negative keys first, then on positive ones. MoCo shuffles keys between devices
  so that BatchNorm cannot give away which query they belong to; here every
  BatchNorm normalises over the whole batch on all devices, and that is not
  needed.

  Attributes:
    num_classes: ignored: the source's classes are not asked for.
    embedding: length of a and m.
    queue: K, a multiple of the batch; None is the published 16,384, or where
      there are fewer training examples, as many as whole batches of them hold,
      so that a key is hardly one of the query's own video.
    momentum: of the key encoder.
    temperature: T.
    margin: of L_M.
    appearance: weight of L_A.
    motion: weight of L_M.
  """

  embedding: ranges.Count = 128
  queue: ranges.Count | None = None
  momentum: ranges.Share = 0.999
  temperature: ranges.Positive = 0.07
  margin: ranges.Number = 2.0
  appearance: ranges.Number = 1.0
  motion: ranges.Number = 1.0
  plan: task_lib.Plan = dataclasses.field(
    default=task_lib.NO_PLAN, compare=False, repr=False
  )

  def __post_init__(self):
    super().__post_init__()
    answers.check_sampling(
      self.name, 'pretext.rspnet', 'pair', self.train_clip, self.eval_clip
    )
    where = f'config.tasks.{self.name}'
    if self.queue is None:
      object.__setattr__(self, 'queue', self._usual_queue())
    for field, clip in (
      ('clip', self.train_clip),
      ('eval_clip', self.eval_clip),
    ):
      if clip.frames % 2:
        raise ValueError(
          f'{where}.{field}.frames is {clip.frames}: it must be even, as half '
          'of it is encoded.'
        )

  def _usual_queue(self) -> int:
    """Returns K, no more than the training data allow; a note says so."""
    count, batch = self.plan.examples, self.plan.batch
    if count is None or count >= _QUEUE:
      return _QUEUE // batch * batch
    kept = max(count // batch, 1) * batch
    mistakes.note(
      f'config.tasks.{self.name}.queue: {kept:,} keys for {count:,} training '
      f'videos, not {_QUEUE:,}, of which most would be keys of the same videos.'
    )
    return kept

  def head(self) -> linears.Linears:
    sizes = ('appearance', self.embedding), ('motion', self.embedding)
    return linears.Linears(sizes, probe=self.probe)

  def head_inputs(self, clip: clips.ClipSpec) -> dict[str, Any]:
    del clip
    return {'seed': ((2,), jnp.uint32)}

  def views(self, inputs, train):
    """Returns queries [b, t / 2, h, w, 3] of video [b, 2, t, h, w, 3].

    At evaluation, query, positive and negative, [b, 3, t / 2, h, w, 3]. Which
    speed an example has follows from its seed: in training half of a batch has
    either.
    """
    if train:
      return contrast.at_speed(inputs['video'][:, 0], _fast_half(inputs))
    fast = inputs['seed'][:, 1] % 2 == 1
    query, key = inputs['video'][:, 0], inputs['video'][:, 1]
    played = [
      contrast.at_speed(query, fast),
      contrast.at_speed(key, fast),
      contrast.at_speed(key, ~fast),
    ]
    return jnp.stack(played, axis=1)

  def read(self, head, features, inputs, train):
    del inputs, train
    return {k: contrast.normalise(v) for k, v in head(features).items()}

  def new_state(self, params, batch_stats):
    mine = {'backbone', f'heads_{self.name}'}
    kept = {k: v for k, v in params.items() if k in mine}
    queue = jax.random.normal(jax.random.key(0), (self.queue, self.embedding))
    return {
      'params': jax.tree.map(jnp.copy, kept),
      'batch_stats': jax.tree.map(jnp.copy, batch_stats),
      'queue': contrast.normalise(queue),
      'pointer': jnp.zeros((), jnp.int32),
    }

  def begin_step(self, own, params, batch_stats):
    del batch_stats
    now = {k: params[k] for k in own['params']}
    followed = optax.incremental_update(now, own['params'], 1 - self.momentum)
    return {**own, 'params': followed}

  def observe(self, own, inputs, forward):
    """Encodes both keys; `loss` gets them, and the queue without them."""
    batch = len(inputs['video'])
    if self.queue % batch:
      raise ValueError(
        f'config.tasks.{self.name}.queue is {self.queue}, no multiple of the '
        f'{batch} examples that are encoded together.'
      )
    fast = _fast_half(inputs)
    stats, keys = own['batch_stats'], {}
    for name, now_fast in (('negative', ~fast), ('positive', fast)):
      video = contrast.at_speed(inputs['video'][:, 1], now_fast)
      _, keys[name], stats = forward(own['params'], stats, video, inputs, True)
    queue, pointer = contrast.enqueue(
      own['queue'],
      own['pointer'],
      keys['negative']['appearance'],
      inputs['valid'],
    )
    seen = {**keys, 'queue': own['queue']}
    moved = {'batch_stats': stats, 'queue': queue, 'pointer': pointer}
    return seen, own | moved

  def loss(self, query, batch):
    """query 'appearance', 'motion' [b, embedding]; see `Base.loss`."""
    positive, negative = batch['positive'], batch['negative']
    appearance = sum(
      contrast.info_nce(
        query['appearance'],
        key['appearance'],
        batch['queue'],
        self.temperature,
      )
      for key in (positive, negative)
    )
    gap = contrast.speed_gap(query, positive, negative)
    motion = jnp.maximum(0.0, self.margin - gap / self.temperature)
    losses = self.appearance * appearance + self.motion * motion
    scalars = {
      'appearance_loss': appearance,
      'motion_loss': motion,
      'speed_order': gap > 0,
    }
    return answers.summed(losses, scalars, batch['valid'])

  def outputs(self, embeddings, batch):
    """embeddings [b, 3, embedding] of query, positive and negative."""
    del batch
    query, positive, negative = (
      {k: v[:, i] for k, v in embeddings.items()} for i in range(3)
    )
    return {
      'speed_order': contrast.speed_gap(query, positive, negative) > 0,
      'query': query['appearance'],
      'positive': positive['appearance'],
    }

  def metric(self, source: examples.Source) -> Relations:
    return Relations(source)

  def protocol(self) -> dict[str, Any]:
    return super().protocol() | {'sampling': self.eval_clip.sampling}


build = RspNet


def _fast_half(inputs: task_lib.Batch) -> jax.Array:
  """Returns which examples [b] are to be fast: the half of largest seeds."""
  seeds = inputs['seed']
  ranks = jnp.argsort(jnp.lexsort((seeds[:, 1], seeds[:, 0])))
  return ranks >= len(seeds) // 2


class Relations:
  """How often keys relate to queries as they should.

  'speed_order': m . m+ > m . m-. 'appearance': no clip of the whole evaluation
  set's positive keys is nearer to the query than its own.
  """

  # Rows of similarities that are computed at a time.
  _ROWS = 1024

  def __init__(self, source: examples.Source):
    self.names = {'speed_order': 1, 'appearance': 1}
    self._source = source
    self._rows = predictions.Rows()

  def update(self, rows):
    """Adds what `RspNet.outputs` returns, and 'index' [n]."""
    self._rows.add(rows)

  def result(self) -> dict[str, float]:
    if not self._rows:
      return dict.fromkeys(self.names, float('nan'))
    nearest = self._nearest()
    return {
      'speed_order': float(self._rows['speed_order'].mean()),
      'appearance': float((nearest == np.arange(len(nearest))).mean()),
    }

  def predictions(self) -> predictions.Predictions:
    """Returns whose key is nearest to each query, and 'speed_order', 0 or 1."""
    if not self._rows:
      return predictions.Predictions({'id': ()})
    ids = self._rows.ids(self._source)
    return predictions.Predictions(
      {
        'id': ids,
        'nearest': [ids[i] for i in self._nearest()],
        'speed_order': self._rows['speed_order'].astype(int),
      }
    )

  def _nearest(self) -> np.ndarray:
    """Returns the row of the positive key that is nearest to each query."""
    query, positive = self._rows['query'], self._rows['positive']
    return np.concatenate(
      [
        (query[first : first + self._ROWS] @ positive.T).argmax(1)
        for first in range(0, len(query), self._ROWS)
      ]
    )

  def pictures(self) -> dict[str, np.ndarray]:
    return {}

  def report(self) -> str:
    return '  '.join(f'{k} {100 * v:.2f}' for k, v in self.result().items())
