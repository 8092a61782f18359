"""Top-k accuracy, over batches, hosts and several views of a video."""

from __future__ import annotations

from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

AVERAGES = ('softmax', 'logits')


@flax.struct.dataclass
class TopK:
  """Counts of right answers, to be added up before they are divided.

  On the host: each operation on a device would be a program to compile.

  Attributes:
    right: int32 [len(ks)], clips whose label is among the k best classes.
    total: int32 [], clips.
    ks: the k's, in order.
  """

  right: np.ndarray
  total: np.ndarray
  ks: tuple[int, ...] = flax.struct.field(pytree_node=False)

  @classmethod
  def empty(cls, ks: Sequence[int] = (1, 5)) -> TopK:
    """Returns the counts before the first batch."""
    return cls(np.zeros(len(ks), np.int32), np.int32(0), tuple(ks))

  @classmethod
  def of(
    cls,
    scores: np.ndarray,
    label: np.ndarray,
    valid: np.ndarray,
    ks: Sequence[int] = (1, 5),
  ) -> TopK:
    """Counts a batch.

    Of classes with equal scores the one with the smaller index comes first, as
    in `argmax`. A clip with a score that is NaN counts as wrong.

    Args:
      scores: [b, c], logits or probabilities.
      label: int [b].
      valid: bool [b]; False is padding and is not counted.
      ks: at most c each.

    Returns:
      The counts of this batch.
    """
    if max(ks) > scores.shape[-1]:
      raise ValueError(
        f'top-{max(ks)} accuracy needs {max(ks)} classes, but there are '
        f'{scores.shape[-1]}; choose smaller values of k.'
      )
    own = np.take_along_axis(scores, label[:, None], axis=-1)
    before = np.arange(scores.shape[-1]) < label[:, None]
    ahead = (scores > own) | ((scores == own) & before)
    rank = np.sum(ahead, axis=-1)
    counts = valid & ~np.isnan(scores).any(axis=-1)
    right = (rank[:, None] < np.array(ks)) & counts[:, None]
    return cls(
      np.sum(right, axis=0, dtype=np.int32),
      np.sum(valid, dtype=np.int32),
      tuple(ks),
    )

  def merge(self, other: TopK) -> TopK:
    """Adds the counts of other batches or hosts."""
    if self.ks != other.ks:
      raise ValueError(f'cannot merge top-{self.ks} with top-{other.ks}.')
    return self.replace(
      right=self.right + other.right, total=self.total + other.total
    )

  def compute(self) -> dict[str, float]:
    """Returns {'top1': …, 'top5': …} in [0, 1]; NaN if nothing was counted."""
    total = int(self.total)
    return {
      f'top{k}': int(right) / total if total else float('nan')
      for k, right in zip(self.ks, self.right)
    }


def average_views(logits: jax.Array, average: str = 'softmax') -> jax.Array:
  """Makes one prediction of several views of each video.

  Args:
    logits: [b, v, c].
    average: what is averaged. 'softmax' (default): probabilities, so that a
      view cannot outvote the others by the size of its logits; what SlowFast
      and VideoMAE report. 'logits': logits, as Scenic's ViViT does.

  Returns:
    [b, c], float32: probabilities or logits.
  """
  logits = logits.astype(jnp.float32)
  if average == 'softmax':
    return jnp.mean(jax.nn.softmax(logits, axis=-1), axis=1)
  if average == 'logits':
    return jnp.mean(logits, axis=1)
  raise ValueError(f'average is {average!r}, none of {AVERAGES}.')
