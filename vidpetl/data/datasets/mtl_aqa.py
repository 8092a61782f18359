"""MTL-AQA, 1059 dives to train on and 353 to test.

    <raw>/info/final_annotations_dict_with_dive_number.pkl   CoRe's; or MUSDL's
          augmented_final_annotations_dict.pkl, or the first release's
          final_annotations_dict.pkl, which lack dive numbers
    <raw>/info/{train,test}_split_0.pkl
    <raw>/frames/NN_MM/*.jpg                 frames of each dive, as of MUSDL;
    <raw>/new_total_frames[_256s]/NN/*.jpg   or of each event, as of CoRe;
    <raw>/whole_videos_frames/NN/*.jpg       or of each event, or its video, as
    <raw>/whole_videos/NN.mp4                of the first release

NN and MM are the numbers of the event and of the dive in it, with two digits.
Start and end of a dive count the event's frames, whatever their rate; `frames`
and `videos` may be the name of an event's folders too. 'val' is the test list.
The action is the dive number.

The first release's annotations have no judges' scores; MUSDL's have, and 45.0
where the fourth judge of (4, 49) gave 4.5, as in CoRe's file. It is read so,
and said. So is any other score whose tenth gives the final score; what else is
above 10 is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from vidpetl import mistakes
from vidpetl.data import dataset as dataset_lib
from vidpetl.data import examples
from vidpetl.data.annotations import pickled, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import quality, videos

_EXPECTED = '{(video, clip): {"start_frame": ..., "end_frame": ..., ' \
            '"final_score": ..., "difficulty": ...}}'  # fmt: skip
# field -> its least value
_REQUIRED = {
  'start_frame': 0,
  'end_frame': 0,
  'final_score': 0,
  'difficulty': 1,
}
_MOST_JUDGED = 10
# Record, judge and score of MUSDL's file that is ten times that of CoRe's.
_SLIP = (4, 49), 3, 45.0
# Judges whose scores count, those in the middle.
_COUNTED = 3
# Of final scores: the published ones are off by rounding.
_ROUNDING = 0.11

_ANNOTATIONS = (
  'final_annotations_dict_with_dive_number.pkl',
  'augmented_final_annotations_dict.pkl',
  'final_annotations_dict.pkl',
)
_EVENTS = (
  *('frames', 'new_total_frames', 'new_total_frames_256s'),
  *('whole_videos_frames', 'whole_videos', 'videos'),
)


class Dive(NamedTuple):
  """One dive.

  Attributes:
    start_frame: of the event's video, counted from 0.
    end_frame: the frame after its last.
    score: the final one.
    judge_scores: of each judge, 0 to 10; () in a file without.
    difficulty: degree of difficulty.
    number: e.g. '107B'; '' in a file without.
  """

  start_frame: int
  end_frame: int
  score: float
  judge_scores: tuple[float, ...]
  difficulty: float
  number: str


def read(path: str) -> dict[tuple[int, int], Dive]:
  """Reads all dives.

  Args:
    path: of the pickle.

  Returns:
    (video, clip) -> dive.

  Raises:
    text.AnnotationError: naming file, record and field.
  """
  dives = {
    pickled.pair(path, key, int, _EXPECTED): _dive(path, key, record)
    for key, record in pickled.read(path, dict, _EXPECTED).items()
  }
  first = next(iter(dives.values()))
  for key, dive in dives.items():
    judges = len(dive.judge_scores)
    if judges != len(first.judge_scores):
      problem = f'{key!r}: {judges} judge_scores'
      raise text.fail(path, None, problem, f'{len(first.judge_scores)} as in '
                      'the first record')  # fmt: skip
    if bool(dive.number) != bool(first.number):
      problem = f'{key!r}: dive_number {dive.number!r}'
      raise text.fail(path, None, problem, 'all records to have one, or none')
  return dives


def _dive(path: str, key: Any, record: Any) -> Dive:
  if not isinstance(record, Mapping):
    raise text.fail(path, None, f'{key!r}: {record!r}', _EXPECTED)
  missing = [field for field in _REQUIRED if field not in record]
  if missing:
    raise text.fail(path, None, f'{key!r}: no {", ".join(missing)}', _EXPECTED)
  start, end, score, difficulty = (
    pickled.number(record[field], path, key, field, low)
    for field, low in _REQUIRED.items()
  )
  if start >= end:
    problem = f'{key!r}: start_frame {start:g}, end_frame {end:g}'
    raise text.fail(path, None, problem, 'start_frame < end_frame')
  return Dive(
    start_frame=int(start),
    end_frame=int(end),
    score=score,
    judge_scores=_judged(path, key, record, score, difficulty),
    difficulty=difficulty,
    number=str(record.get('dive_number', '')),
  )


def _judged(
  path: str, key: Any, record: Mapping, score: float, difficulty: float
) -> tuple[float, ...]:
  """Returns the judges' scores, and mends those that are ten times too high.

  Args:
    path: of the file.
    key: of the record.
    record: of the dive.
    score: the final one.
    difficulty: by which the middle scores' sum is multiplied.

  Raises:
    text.AnnotationError: for a score that is none, naming its field.
  """
  given = np.atleast_1d(record.get('judge_scores', ())).tolist()
  scores = np.array([
    pickled.number(value, path, key, f'judge_scores[{i}]', low=0)
    for i, value in enumerate(given)
  ])  # fmt: skip
  high = np.flatnonzero(scores > _MOST_JUDGED)
  if not high.size:
    return tuple(scores.tolist())
  mended = np.where(scores > _MOST_JUDGED, scores / 10, scores)
  fields = ', '.join(f'judge_scores[{i}] is {scores[i]:g}' for i in high)
  if not (_is_slip(key, scores) or _gives(mended, score, difficulty)):
    raise text.fail(
      path,
      None,
      f'{key!r}: {fields}',
      f'0 to {_MOST_JUDGED}, or ten times what gives the final_score; mend the '
      f'file, or take {_ANNOTATIONS[0]}',
    )
  read_as = ', '.join(f'{mended[i]:g}' for i in high)
  mistakes.note(f'{path}: {key!r}: {fields}; read as {read_as}, a tenth.')
  return tuple(mended.tolist())


def _is_slip(key: Any, scores: np.ndarray) -> bool:
  """Returns whether the one score above 10 is the known one."""
  record, judge, slip = _SLIP
  high = np.flatnonzero(scores > _MOST_JUDGED).tolist()
  return tuple(key) == record and high == [judge] and scores[judge] == slip


def _gives(judged: np.ndarray, score: float, difficulty: float) -> bool:
  """Returns whether judges' scores are possible, and give the final score."""
  left_out = len(judged) - _COUNTED
  if left_out < 0 or left_out % 2 or (judged > _MOST_JUDGED).any():
    return False
  if (2 * judged % 1).any():  # Judges give halves.
    return False
  middle = np.sort(judged)[left_out // 2 :][:_COUNTED]
  return abs(middle.sum() * difficulty - score) <= _ROUNDING


def open_split(dataset: str, raw: str, split: str) -> Performances:
  """Opens a split; see the module's docstring for the layout."""
  info = epath.Path(raw) / 'info'
  paths = [info / name for name in _ANNOTATIONS]
  path = next((path for path in paths if path.is_file()), paths[0])
  dives = read(text.require(path, "MTL-AQA's annotations"))
  lists = tuple(
    text.require(info / f'{name}_split_0.pkl', 'a list of dives')
    for name in ('train', 'test')
  )
  keys = [pickled.read_split(path, dives) for path in lists]
  pickled.require_apart(lists, *keys)
  finder = _Finder(raw)
  found = [finder.find(key, dives[key]) for key in keys[split == 'val']]
  performances, places = zip(*found)
  return quality.assemble(
    name=dataset,
    split=split,
    fps=None,
    performances=performances,
    places=places,
    folder=raw,
  )


class _Finder:
  """Where dives lie, and when in their files they begin and end."""

  def __init__(self, raw: str):
    self._raw = raw
    folder = epath.Path(raw)
    self._dives = videos.Places(folder / 'frames')
    self._events = videos.Places(*(folder / name for name in _EVENTS))
    self._rates = quality.FrameRates()

  def find(
    self, key: tuple[int, int], dive: Dive
  ) -> tuple[Performance, quality.Place]:
    """Returns a dive in seconds, and its video."""
    name = f'{key[0]:02d}_{key[1]:02d}'
    start, end = 0.0, None
    path = self._dives.get(name)
    if path is None:
      path = self._events.get(f'{key[0]:02d}')
      rate = 'not found below this folder'
      if path is not None:
        rate = self._rates.get(path)
      if isinstance(rate, str):
        path = examples.Dropped(name, path or self._raw, rate)
      else:
        start, end = dive.start_frame / rate, dive.end_frame / rate
    performance = Performance(
      id=name,
      score=dive.score,
      start=start,
      end=end,
      judge_scores=dive.judge_scores,
      difficulty=dive.difficulty,
      action=dive.number,
    )
    return performance, path


DATASET = dataset_lib.Dataset(
  name='mtl_aqa',
  kind='quality',
  title='MTL-AQA',
  description="MTL-AQA: dives of competitions with all judges' scores.",
  layout=__doc__,
  citation="""@inproceedings{parmar2019what,
  title={What and How Well You Performed? {A} Multitask Learning Approach to
    Action Quality Assessment},
  author={Parmar, Paritosh and Morris, Brendan Tran},
  booktitle={CVPR},
  year={2019}}""",
  licence=(
    'Not stated in its files; see https://github.com/ParitoshParmar/MTL-AQA.'
  ),
  open=open_split,
  demo_classes=0,
)
