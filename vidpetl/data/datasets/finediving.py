"""FineDiving: dives with the beginnings of their steps.

    <raw>/Annotations/{fine-grained_annotation_aqa,train_split,test_split}.pkl
    <raw>/FINADiving_MTL_256s/<video>/<instance>/*.jpg    frames of each dive;
    <raw>/FINADiving_MTL_256s/<video>/<instance>.mp4      or its video

The pickles may lie in <raw>, and the frames in `FineDiving`, or in either
folder below `Trimmed_Video_Frames`. 'val' is the test list. The action is the
dive number; the steps are when the second and the last begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from etils import epath

from vidpetl.data import dataset as dataset_lib
from vidpetl.data import examples
from vidpetl.data.annotations import pickled, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import quality, videos

_EXPECTED = '{(video, instance): (dive number, score, difficulty, ..., ' \
            'step of each frame)}'  # fmt: skip
_FIELDS = 5

_FRAMES = tuple(
  above + folder
  for above in ('', 'Trimmed_Video_Frames/')
  for folder in ('FINADiving_MTL_256s', 'FineDiving')
)


class Dive(NamedTuple):
  """One dive.

  Attributes:
    number: e.g. '407C'.
    score: the final one.
    difficulty: degree of difficulty.
    transitions: the first frames, counted from 0, of its second and of its
      last step. Between them may lie further steps, such as twists.
  """

  number: str
  score: float
  difficulty: float
  transitions: tuple[int, int]


def read(path: str) -> dict[tuple[str, int], Dive]:
  """Reads all dives.

  Args:
    path: of the pickle.

  Returns:
    (video, instance) -> dive.

  Raises:
    text.AnnotationError: naming file, record and field.
  """
  records = pickled.read(path, dict, _EXPECTED)
  return {
    pickled.pair(path, key, str, _EXPECTED): _dive(path, key, record)
    for key, record in records.items()
  }


def _dive(path: str, key: Any, record: Any) -> Dive:
  sequence = isinstance(record, list | tuple | np.ndarray)
  if not sequence or len(record) < _FIELDS:
    raise text.fail(path, None, f'{key!r}: {repr(record)[:80]}', _EXPECTED)
  if not isinstance(record[0], str) or not record[0]:
    problem = f'{key!r}: dive number {record[0]!r}'
    raise text.fail(path, None, problem, "a name such as '407C'")
  return Dive(
    number=record[0],
    score=pickled.number(record[1], path, key, 'score', low=0),
    difficulty=pickled.number(record[2], path, key, 'difficulty', low=1),
    transitions=_transitions(path, key, record[4]),
  )


def _transitions(path: str, key: Any, labels: Any) -> tuple[int, int]:
  labels = np.asarray(labels, object)
  if labels.ndim != 1:
    problem = f'{key!r}: steps of shape {labels.shape}'
    raise text.fail(path, None, problem, 'one step for each frame')
  changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
  if not len(changes):
    problem = f'{key!r}: all of its {len(labels)} frames are one step'
    raise text.fail(path, None, problem, 'two steps or more')
  return int(changes[0]), int(changes[-1])


def open_split(dataset: str, raw: str, split: str) -> Performances:
  """Opens a split; see the module's docstring for the layout."""
  path = _pickle(raw, 'fine-grained_annotation_aqa.pkl')
  dives = read(path)
  lists = tuple(_pickle(raw, f'{n}_split.pkl') for n in ('train', 'test'))
  keys = [pickled.read_split(path, dives) for path in lists]
  pickled.require_apart(lists, *keys)
  clips = videos.Places(*(epath.Path(raw) / folder for folder in _FRAMES))
  rates = quality.FrameRates()
  found = [
    _find(clips, rates, raw, key, dives[key]) for key in keys[split == 'val']
  ]
  performances, places = zip(*found)
  return quality.assemble(
    name=dataset,
    split=split,
    fps=None,
    performances=performances,
    places=places,
    folder=raw,
  )


def _find(
  clips: videos.Places,
  rates: quality.FrameRates,
  raw: str,
  key: tuple[str, int],
  dive: Dive,
) -> tuple[Performance, quality.Place]:
  """Returns a dive with its steps in seconds, and its video."""
  name = f'{key[0]}/{key[1]}'
  place = clips.get(name) or quality.missing(name, raw)
  steps = (float('nan'),) * len(dive.transitions)
  if isinstance(place, str):
    rate = rates.get(place)
    if isinstance(rate, str):
      place = examples.Dropped(name, place, rate)
    else:
      steps = tuple(frame / rate for frame in dive.transitions)
  performance = Performance(
    id=name,
    score=dive.score,
    difficulty=dive.difficulty,
    action=dive.number,
    steps=steps,
  )
  return performance, place


def _pickle(raw: str, name: str) -> str:
  here = epath.Path(raw) / name
  below = epath.Path(raw) / 'Annotations' / name
  path = here if here.is_file() else below
  return text.require(path, "one of FineDiving's pickles")


DATASET = dataset_lib.Dataset(
  name='finediving',
  kind='quality',
  title='FineDiving',
  description='FineDiving: dives with scores, and when their steps begin.',
  layout=__doc__,
  citation="""@inproceedings{xu2022finediving,
  title={{FineDiving}: A Fine-grained Dataset for Procedure-aware Action
    Quality Assessment},
  author={Xu, Jinglin and Rao, Yongming and Yu, Xumin and Chen, Guangyi and
    Zhou, Jie and Lu, Jiwen},
  booktitle={CVPR},
  year={2022}}""",
  licence=(
    'Annotations: MIT, by the copy of the licence in '
    "https://github.com/jhong93/spot; the videos are the broadcasters'."
  ),
  open=open_split,
  demo_classes=0,
)
