"""Sources whose annotations lie in columns, examples made on demand."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vidpetl.data import examples
from vidpetl.data.annotations import keyframes
from vidpetl.data.annotations.strings import Strings

Video = Callable[[int], str | bytes]

# By what performances are told to be comparable.
EXEMPLARS = ('any', 'difficulty', 'action')


class Classification:
  """Clips with one label each; an `examples.Source`."""

  def __init__(
    self,
    info: examples.Info,
    ids: Strings,
    labels: np.ndarray,
    video: Video,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
  ):
    """Builds the source.

    Args:
      info: its fingerprint is filled in here.
      ids: [n].
      labels: int [n].
      video: index -> path or bytes.
      starts: float [n] in seconds; None is the beginning of each file.
      ends: float [n] in seconds, nan for the end of the file; None is that of
        each file.
    """
    n = len(ids)
    self.ids = ids
    self.labels = np.asarray(labels, np.int32)
    self.starts = np.zeros(n) if starts is None else np.asarray(starts)
    self.ends = np.full(n, np.nan) if ends is None else np.asarray(ends)
    self.video = video
    self.info = _with_fingerprint(
      info, [ids, self.labels, self.starts, self.ends]
    )

  def __len__(self) -> int:
    return len(self.labels)

  def __getitem__(self, i: int) -> examples.Classified:
    end = float(self.ends[i])
    return examples.Classified(
      id=self.ids[i],
      label=int(self.labels[i]),
      start=float(self.starts[i]),
      end=None if np.isnan(end) else end,
    )

  def arrays(self) -> dict[str, np.ndarray]:
    """Returns the columns under flat names, for an npz file."""
    columns = {'labels': self.labels, 'starts': self.starts, 'ends': self.ends}
    return columns | self.ids.arrays('ids')


class Localisation:
  """Keyframes with people; an `examples.Source`."""

  def __init__(
    self, info: examples.Info, table: keyframes.Keyframes, video: Video
  ):
    """Builds the source; `info`'s fingerprint is filled in here."""
    self.table = table
    self.video = video
    self.info = _with_fingerprint(info, table.arrays().values())

  def __len__(self) -> int:
    return len(self.table)

  def __getitem__(self, i: int) -> examples.Keyframe:
    return self.table.keyframe(i)

  def arrays(self) -> dict[str, np.ndarray]:
    """Returns the columns under flat names, for an npz file."""
    return self.table.arrays()


class Performances:
  """Performances with scores; an `examples.Source`."""

  def __init__(
    self,
    info: examples.Info,
    ids: Strings,
    video: Video,
    scores: np.ndarray,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
    judge_scores: np.ndarray | None = None,
    difficulties: np.ndarray | None = None,
    actions: Sequence[str] | None = None,
    steps: np.ndarray | None = None,
  ):
    """Builds the source.

    Args:
      info: its fingerprint and table are filled in here.
      ids: [n].
      video: index -> path of a file or of a folder of frames, or bytes.
      scores: float [n].
      starts: float [n] in seconds; None is the beginning of each file.
      ends: float [n] in seconds, nan for the end of the file; None is that of
        each file.
      judge_scores: float [n, j]; None if there are none.
      difficulties: float [n]; None is nan, which is unknown.
      actions: [n]; None is '', which is unknown.
      steps: float [n, k] in seconds, nan where unknown; None if there are none.
    """
    n = len(ids)
    self.ids = ids
    self.video = video
    starts = np.zeros(n) if starts is None else starts
    ends = np.full(n, np.nan) if ends is None else ends
    self.starts = np.asarray(starts, np.float64)
    self.ends = np.asarray(ends, np.float64)
    unknown = {
      'judge_scores': np.zeros((n, 0)),
      'difficulties': np.full(n, np.nan),
      'steps': np.zeros((n, 0)),
    }
    known = {
      'scores': scores,
      'judge_scores': judge_scores,
      'difficulties': difficulties,
      'steps': steps,
    }
    table = {
      name: np.asarray(unknown[name] if column is None else column, np.float64)
      for name, column in known.items()
    }
    actions = Strings([''] * n if actions is None else actions)
    info = _with_fingerprint(
      info, [ids, self.starts, self.ends, actions, *table.values()]
    )
    table['actions'] = np.array(list(actions), object)
    self.info = dataclasses.replace(info, table=table)

  @classmethod
  def of_examples(
    cls,
    info: examples.Info,
    performances: Sequence[examples.Performance],
    video: Video,
  ) -> Performances:
    """Builds the source of annotations that have as many judges and steps."""
    return cls(
      info=info,
      ids=Strings(p.id for p in performances),
      video=video,
      scores=[p.score for p in performances],
      starts=[p.start for p in performances],
      ends=[np.nan if p.end is None else p.end for p in performances],
      judge_scores=[p.judge_scores for p in performances],
      difficulties=[p.difficulty for p in performances],
      actions=[p.action for p in performances],
      steps=[p.steps for p in performances],
    )

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, i: int) -> examples.Performance:
    table, end = self.info.table, float(self.ends[i])
    return examples.Performance(
      id=self.ids[i],
      score=float(table['scores'][i]),
      start=float(self.starts[i]),
      end=None if np.isnan(end) else end,
      judge_scores=tuple(table['judge_scores'][i].tolist()),
      difficulty=float(table['difficulties'][i]),
      action=table['actions'][i],
      steps=tuple(table['steps'][i].tolist()),
    )

  def partners(self, i: int, by: str) -> np.ndarray:
    """Returns the other examples that may be example `i`'s exemplar, int [m].

    Args:
      i: which example.
      by: 'difficulty' or 'action' for examples of the same one; 'any'.

    Raises:
      ValueError: naming the example, if there are none.
    """
    found = comparable(self.info, self[i], by)
    found = found[found != i]
    if not len(found):
      raise _alone(self[i], self.info, by)
    return found


def comparable(
  info: examples.Info, example: examples.Performance, by: str
) -> np.ndarray:
  """Returns the examples of a source with which one may be compared, int [m].

  Args:
    info: of the source.
    example: of this or another source; it may itself be among the result.
    by: one of `EXEMPLARS`.

  Raises:
    ValueError: naming the example, if there are none; for an unknown `by`.
  """
  if by not in EXEMPLARS:
    raise ValueError(f'exemplar={by!r} is none of {EXEMPLARS}')
  if by == 'any':
    same = np.ones(len(info.table['scores']), bool)
  elif by == 'difficulty':
    same = info.table['difficulties'] == example.difficulty
  else:
    same = (info.table['actions'] == example.action) & (example.action != '')
  if not same.any():
    raise _alone(example, info, by)
  return np.flatnonzero(same)


def _alone(example, info, by) -> ValueError:
  """Returns the error for an example that is like no other."""
  if by == 'any':
    return ValueError(f'{example.id}: no other performance of {info.name}')
  value = {'difficulty': example.difficulty, 'action': example.action}[by]
  problem = f'no other performance of {info.name} has {by} {value!r}'
  if value == '' or value != value:
    problem = f'its {by} is unknown'
  return ValueError(f"{example.id}: {problem}; use exemplar='any'")


def _with_fingerprint(info, columns: Iterable) -> examples.Info:
  digest = hashlib.sha256()
  for column in columns:
    digest.update(column.tobytes())
  return dataclasses.replace(info, fingerprint=digest.hexdigest()[:16])


def unique(ids: list[str]) -> list[str]:
  """Tells repeated ids apart: the second 'x' becomes 'x#2'."""
  if len(set(ids)) == len(ids):
    return ids
  count: collections.Counter[str] = collections.Counter()
  result = []
  for name in ids:
    count[name] += 1
    result.append(name if count[name] == 1 else f'{name}#{count[name]}')
  return result


def require_some(found: int, wanted: int, what: str, where: str) -> None:
  """Refuses a source without a single video.

  Raises:
    FileNotFoundError: saying what was looked for, and where.
  """
  if not found:
    raise FileNotFoundError(
      f'none of the {wanted} annotated videos was found; looked for {what} in '
      f'{where}'
    )
