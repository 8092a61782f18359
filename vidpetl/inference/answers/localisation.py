"""What each person of a film does, once a second."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vidpetl import mistakes
from vidpetl.data.annotations import keyframes
from vidpetl.inference import answer as answer_lib
from vidpetl.inference.overlay import people as overlay
from vidpetl.inference.people import choice as choice_lib
from vidpetl.inference.people.tracked import People, Track
from vidpetl.inference.question import Asked, Program, Question
from vidpetl.metrics import ava_csv, columns, predictions

OPTIONS, PROGRAM = ('people',), 'outputs'
# Seconds from one keyframe to the next, as AVA has them.
_STEP = 1.0
_SHOWN = 3  # actions of a person in a film


@dataclasses.dataclass(frozen=True)
class Seen:
  """The people of a film.

  Attributes:
    called: the film's name in files of AVA's format.
    start: what these files add to the film's seconds.
    people: at each keyframe that has any, those of which actions are asked.
    tracks: all that were seen at any time.
    left_out: people of keyframes that were too many for the model.
  """

  called: str
  start: float
  people: Sequence[People]
  tracks: Sequence[Track]
  left_out: int = 0


@dataclasses.dataclass(frozen=True)
class Actions(answer_lib.Answer):
  """Scores of actions of every person at every keyframe.

  Attributes:
    names: of the classes that are evaluated, by their outputs.
    seen: the people.
    scores: of each keyframe that has people, float32 [n, c] in [0, 1].
  """

  names: Mapping[int, str]
  seen: Seen
  scores: Sequence[np.ndarray]

  kind: ClassVar[str] = 'localisation'
  headless: ClassVar[tuple[str, ...]] = ('detections',)

  def tables(self):
    return {'detections': self._detections(), 'people': self._people()}

  def _detections(self) -> predictions.Columns:
    """Returns a row per person and action, as AVA's evaluators read them."""
    people = self.seen.people
    found = columns.DenseDetections(
      [self._image(each.seconds) for each in people],
      np.repeat(np.arange(len(people)), [len(p.boxes) for p in people]),
      _joined([p.boxes for p in people], 4),
      _joined(self.scores, max(self.names, default=0) + 1),
    )
    return ava_csv.detection_columns(found, [i + 1 for i in self.names])

  def _image(self, seconds: float) -> str:
    at = seconds + self.seen.start
    is_whole = abs(at - round(at)) < 1e-6
    return f'{self.seen.called},' + (
      f'{round(at):04d}' if is_whole else f'{at:.6f}'
    )

  def _people(self) -> predictions.Columns:
    """Returns a row per person of a keyframe, with the best actions."""
    rows = [
      (seconds, *person)
      for seconds, group in self._groups()
      for person in group
    ]
    boxes = _joined([[box] for _, _, box, _, _ in rows], 4)
    shown = _joined([[scores] for *_, scores in rows], len(self.names))
    return {
      'film': [self.film] * len(rows),
      'person': [number for _, number, *_ in rows],
      'seconds': [f'{seconds:.3f}' for seconds, *_ in rows],
      **dict(zip(('x1', 'y1', 'x2', 'y2'), boxes.round(4).T)),
      'box_score': [round(float(score), 4) for *_, score, _ in rows],
      **predictions.best(shown, shown, list(self.names.values())),
    }

  def _groups(self):
    """Yields seconds, and id, box, its score, scores of classes of people."""
    kept = list(self.names)
    for people, scores in zip(self.seen.people, self.scores):
      ids, scores = people.ids.tolist(), scores[:, kept]
      group = list(zip(ids, people.boxes, people.scores, scores))
      yield people.seconds, group

  def top(self, k: int = _SHOWN) -> dict[int, list[tuple[float, list]]]:
    """Returns of each person seconds and k best actions with their scores."""
    names = list(self.names.values())
    found: dict[int, list[tuple[float, list]]] = {}
    for seconds, group in self._groups():
      for number, _, _, scores in group:
        best = np.argsort(-scores, kind='stable')[:k]
        actions = [(names[i], float(scores[i])) for i in best]
        found.setdefault(number, []).append((seconds, actions))
    return found

  def to_json(self) -> dict[str, Any]:
    best = self.top(predictions.BEST)
    return super().to_json() | {
      'left_out': self.seen.left_out,
      'people': [
        {
          'person': track.id,
          'track': [
            {'seconds': round(float(seconds), 6), 'box': _rounded(box)}
            for seconds, box in zip(track.times, track.boxes)
          ],
          'actions': [
            {
              'seconds': round(float(seconds), 6),
              'top': [{'class': n, 'score': s} for n, s in actions],
            }
            for seconds, actions in best.get(track.id, ())
          ],
        }
        for track in self.seen.tracks
      ],
    }

  def painter(self) -> answer_lib.Painter:
    best = self.top()
    tracks = {}
    for track in self.seen.tracks:
      known = best.get(track.id, ())
      tracks[track.id] = overlay.Track(
        track.times,
        track.boxes,
        np.array([seconds for seconds, _ in known]),
        [actions for _, actions in known],
      )
    return overlay.People(tracks, _STEP)

  def __str__(self):
    moments, people = len(self.seen.people), len(self.seen.tracks)
    if not moments:
      return f'{self.film}: nobody was found'
    return f'{self.film}: {people} people, asked at {moments} moments'


def ask(question: Question) -> Asked:
  """Returns the keyframes of a film that have people."""
  kind = question.task.eval_clip.kind
  choice = question.options.people or choice_lib.Choice()
  tested_with = 0.0 if kind.boxes == 'ground_truth' else kind.min_score
  found = choice.find(
    question.film,
    question.name,
    _times(question.duration),
    tested_with,
    question.looked,
  )
  called = choice.called(question.name)
  people = [_best(each, kind.max_boxes) for each in found.people]
  left_out = sum(len(p.boxes) for p in found.people) - sum(
    len(p.boxes) for p in people
  )
  if left_out:
    mistakes.note(
      f'{question.name}: {left_out} people of keyframes with more than '
      f'{kind.max_boxes} are not asked, those of the lowest scores; the model '
      f'was trained with eval_clip.max_boxes={kind.max_boxes}.'
    )
  people = [each for each in people if len(each.boxes)]
  classes = question.info.num_classes
  return Asked(
    [_keyframe(called, each, kind, classes) for each in people],
    Seen(called, choice.start, people, found.tracks, left_out),
  )


def plain(question: Question) -> Sequence[keyframes.Keyframe]:
  """Returns the keyframes of a film at which people would be looked for."""
  nobody = np.zeros(0, np.float32)
  kind, classes = question.task.eval_clip.kind, question.info.num_classes
  return [
    _keyframe(
      question.name,
      People(seconds, nobody.reshape(0, 4), nobody, nobody.astype(np.int64)),
      kind,
      classes,
    )
    for seconds in _times(question.duration).tolist()
  ]


def answer(
  question: Question,
  asked: Asked,
  rows: Mapping[str, np.ndarray],
  program: Program,
) -> Actions:
  """Returns what is said of the film.

  Args:
    question: that was asked.
    asked: what `ask` returned.
    rows: 'scores' [k, n, c] of each keyframe.
    program: of the model; not asked.
  """
  del program
  seen: Seen = asked.more
  names = dict(sorted(question.info.classes.items()))
  if not names:
    names = dict(enumerate(predictions.named({}, question.info.num_classes)))
  return Actions(
    film=question.name,
    task=question.task.name,
    duration=question.duration,
    names=names,
    seen=seen,
    scores=[
      scores[: len(each.boxes)]
      for each, scores in zip(seen.people, rows.get('scores', ()))
    ],
  )


def _times(duration: float) -> np.ndarray:
  """Returns the whole seconds within a film; if there is none, its middle."""
  whole = np.arange(_STEP, math.ceil(duration - 1e-6), _STEP)
  return whole if len(whole) else np.array([duration / 2])


def _best(people: People, most: int) -> People:
  """Returns the first people of a keyframe, who have the best scores."""
  return dataclasses.replace(
    people,
    boxes=people.boxes[:most],
    scores=people.scores[:most],
    ids=people.ids[:most],
  )


def _keyframe(
  called: str, people: People, kind: Any, classes: int
) -> keyframes.Keyframe:
  """Returns people as what clips of a kind show: found, or annotated."""
  n = len(people.boxes)
  shown, none = slice(n), slice(0)
  true = shown if kind.boxes == 'ground_truth' else none
  found = none if kind.boxes == 'ground_truth' else shown
  actions = np.zeros((n, classes), bool)
  return keyframes.Keyframe(
    id=f'{called},{people.seconds:g}',
    video_id=called,
    timestamp=f'{people.seconds:g}',
    time=people.seconds,
    boxes=people.boxes[true],
    actions=actions[true],
    detections=people.boxes[found],
    # Which are sure enough was decided, and they are in order.
    scores=np.full(n, max(1.0, kind.min_score), np.float32)[found],
    detected_actions=actions[found],
  )


def _joined(arrays: Sequence[Any], width: int) -> np.ndarray:
  """Returns arrays [n, width] one behind the other."""
  return np.concatenate([np.zeros((0, width), np.float32), *arrays])


def _rounded(box: np.ndarray) -> list[float]:
  return [round(float(edge), 4) for edge in box]
