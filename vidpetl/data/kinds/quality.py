"""How well somebody performed an action.

A clip has, with j judges and k steps,

  score: float32 [].
  difficulty: float32 [], nan where unknown.
  judge_scores: float32 [j], nan where unknown.
  steps: float32 [k], where its second and further steps begin, as places
    in [0, t - 1] among the frames; nan where unknown.

With an exemplar, `video` and all of these have an axis of 2 in front, the
performance in question and its exemplar.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np

from vidpetl import options, ranges
from vidpetl.data import examples, kinds
from vidpetl.data.annotations.strings import Strings

# By what performances are told to be comparable.
EXEMPLARS = ('any', 'difficulty', 'action')


@dataclasses.dataclass(frozen=True)
class Performance:
  """An action that somebody performed, and how well.

  Attributes:
    id: unique within its split.
    score: what judges made of it, in the dataset's own unit.
    start: where it begins on its file's own clock, in seconds.
    end: where it ends; None is the end of the file.
    judge_scores: of each judge, or of each aspect that was judged.
    difficulty: factor by which judges' scores count; nan if there is none.
    action: what was performed, '' if unknown; performances of one action are
      comparable.
    steps: seconds on the file's clock at which its second and further steps
      begin.
  """

  id: str
  score: float
  start: float = 0.0
  end: float | None = None
  judge_scores: tuple[float, ...] = ()
  difficulty: float = float('nan')
  action: str = ''
  steps: tuple[float, ...] = ()


class Performances(kinds.Spans):
  """Performances with scores; an `examples.Source`."""

  def __init__(
    self,
    info: examples.Info,
    ids: Strings,
    video: kinds.Video,
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
    super().__init__(ids, video, starts, ends)
    n = len(ids)
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
    info = kinds.with_fingerprint(
      info, [ids, self.starts, self.ends, actions, *table.values()]
    )
    table['actions'] = np.array(list(actions), object)
    table['ids'] = np.array(list(ids), object)
    self.info = dataclasses.replace(info, table=table)

  @classmethod
  def of_examples(
    cls,
    info: examples.Info,
    performances: Sequence[Performance],
    video: kinds.Video,
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

  def __getitem__(self, i: int) -> Performance:
    table = self.info.table
    return Performance(
      score=float(table['scores'][i]),
      judge_scores=tuple(table['judge_scores'][i].tolist()),
      difficulty=float(table['difficulties'][i]),
      action=table['actions'][i],
      steps=tuple(table['steps'][i].tolist()),
      **self.span(i),
    )

  def shown(self):
    return np.zeros((2, 0), np.int64)

  def take(self, rows):
    columns = {name: column[rows] for name, column in self.info.table.items()}
    return Performances(self.info, **{**columns, **self.spans(rows)})

  def partners(self, i: int, by: str) -> np.ndarray:
    """Returns the examples that may be example `i`'s exemplar, int [m].

    They are the others of the same difficulty or action. An example that has
    one of its own is compared with itself, as in CoRe's code: MTL-AQA has such
    dives.

    Args:
      i: which example.
      by: 'difficulty' or 'action' for examples of the same one; 'any'.

    Raises:
      ValueError: naming the example, if its difficulty or action is unknown, or
        if there is no other example at all.
    """
    found = comparable(self.info, self[i], by)
    others = found[found != i]
    if len(others):
      return others
    if by == 'any':
      raise _alone(self[i], self.info, by)
    return found


def comparable(
  info: examples.Info, example: Performance, by: str
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


@dataclasses.dataclass(frozen=True)
class Scores(kinds.Kind):
  """The kind.

  Attributes:
    exemplar: 'any', 'difficulty' or 'action': in training a clip of a
      performance holds that of another one too, of the same difficulty or
      action; '' for none.
  """

  exemplar: Annotated[str, ranges.OneOf(('', *EXEMPLARS))] = ''
  has_classes: ClassVar[bool] = False

  def __post_init__(self):
    options.hold_fields(self, '')

  def check(self, cut):
    super().check(cut)
    if cut.num_views > 1:
      raise ValueError(f'performances need views (1, 1), not {cut.views}')
    if self.exemplar and cut.resize == 'pad':
      raise ValueError(
        f"exemplar={self.exemplar!r} needs resize='crop' or 'stretch', so that "
        'both videos fill the square'
      )

  def paired(self, train):
    return bool(self.exemplar) and train

  def partner(self, source, i, draws):
    partners = source.partners(i, self.exemplar)
    (draw,) = draws.uniform(1, 'exemplar')
    return int(partners[int(draw * len(partners))])

  def signature(self, info, lead):
    judges, steps = (
      info.table[key].shape[1] for key in ('judge_scores', 'steps')
    )
    return {
      'score': (lead, np.float32),
      'difficulty': (lead, np.float32),
      'judge_scores': ((*lead, judges), np.float32),
      'steps': ((*lead, steps), np.float32),
    }

  def fill(self, clip, annotation):
    clip['score'][...] = annotation.score
    clip['difficulty'][...] = annotation.difficulty
    for key in ('judge_scores', 'steps'):  # Steps in seconds, for now.
      known = getattr(annotation, key)
      clip[key][:] = np.nan
      clip[key][: len(known)] = known

  def place(self, clip, times):
    clip['steps'][:] = step_places(times, clip['steps'])

  def no_rows(self, options):
    return {
      'scores': np.zeros(0),
      'judge_scores': np.zeros((0, options.get('judges', 0))),
      'difficulties': np.zeros(0),
      'actions': np.zeros(0, str),
      'steps': np.zeros((0, 2)),
    }

  def fields(self, num_classes):
    return {
      'score': kinds.Field(np.float64),
      'judge_scores': kinds.Field(np.float64, (None,)),
      'difficulty': kinds.Field(np.float64),
      'action': kinds.Field(str),
      'steps': kinds.Field(np.float64, (None,), doc='seconds of `video`'),
    }

  def row(self, annotation, begin):
    steps = np.array(annotation.steps, np.float64) - begin
    judge_scores = np.array(annotation.judge_scores, np.float64)
    row = {key: getattr(annotation, key) for key in self.fields(0)}
    more = {'steps': steps, 'judge_scores': judge_scores}
    return {'id': annotation.id, **row, **more}

  def columns(self, records):
    column = lambda name: np.array([r[name] for r in records], np.float64)
    actions = Strings(record['action'].decode() for record in records)
    return {
      'scores': column('score'),
      'judge_scores': column('judge_scores'),
      'difficulties': column('difficulty'),
      'steps': column('steps'),
      **actions.arrays('actions'),
      **kinds.ids_of(records),
    }

  def source(self, info, flat, video):
    ids, actions = (Strings.of_arrays(flat, key) for key in ('ids', 'actions'))
    names = ('scores', 'judge_scores', 'difficulties', 'steps')
    known = {name: flat[name] for name in names}
    return Performances(info, ids, video, actions=list(actions), **known)


def step_places(times: np.ndarray, steps: np.ndarray) -> np.ndarray:
  """Returns where steps of an action begin among the frames of a clip.

  Args:
    times: [t] of the frames; of a clip that loops, the first round counts.
    steps: [k] seconds at which steps begin, nan where unknown.

  Returns:
    float32 [k] in [0, t - 1], fractions between two frames; nan where unknown.
  """
  back = np.flatnonzero(np.diff(times) < 0)
  shown = times[: back[0] + 1] if len(back) else times
  return np.interp(steps, shown, np.arange(len(shown))).astype(np.float32)


KIND = Scores()
