"""EPIC-KITCHENS-100: what people's hands do in their kitchens, as verb or noun.

    <raw>/EPIC_100_{train,validation}.csv         a row for each action
    <raw>/EPIC_100_{verb,noun}_classes.csv        id,key,instances,category
    <raw>/EPIC-KITCHENS/P01/videos/P01_01.MP4     or
    <raw>/EPIC-KITCHENS/P01/rgb_frames/P01_01/frame_0000000001.jpg

`epic_kitchens_verb` has the verbs' classes and `epic_kitchens_noun` those of
the (first) nouns; both read one folder, `epic_kitchens`. The csv files may lie
in <raw>/epic-kitchens-100-annotations or <raw>/annotations, and the folders of
participants in <raw> itself. Class files of version 2 (`…_classes_v2.csv`) will
do. 'val' is the validation list; the test list has no labels.

A clip of a video lasts from start_timestamp to stop_timestamp, on the video's
own clock. Frames were taken 60 or 50 a second, in which start_frame and
stop_frame count; a folder does not say which. So strides count frames, whatever
their rate, and `clip.fps` is for videos.
"""

from __future__ import annotations

from typing import NamedTuple

from vidpetl.data import dataset as dataset_lib
from vidpetl.data import decode, examples
from vidpetl.data.annotations import text
from vidpetl.data.sources import listed, videos

_NAMES = {'train': 'train', 'val': 'validation'}
_ANNOTATIONS = ('', 'epic-kitchens-100-annotations', 'annotations')
_PLACES = tuple(
  f'{folder}{{1}}/{below}{{0}}'
  for folder in ('EPIC-KITCHENS/', '')
  for below in ('videos/', 'rgb_frames/', '')
)
_UNKNOWN = ('', '-1')


class Action(NamedTuple):
  """A row of a list.

  Attributes:
    id: e.g. 'P01_01_0'.
    video: e.g. 'P01_01'.
    label: index of the class; None if it is not known.
    seconds: start and end on the video's clock.
    frames: first and last in a folder of frames, counted from 1.
    missing: why it cannot be shown; '' if it can.
  """

  id: str
  video: str
  label: int | None
  seconds: tuple[float, float]
  frames: tuple[int, int]
  missing: str


def read_classes(path: str) -> list[str]:
  """Reads `EPIC_100_verb_classes.csv`, with the columns id and key.

  Returns:
    Class names by index.

  Raises:
    text.AnnotationError: unless the ids are 0..n-1, once each.
  """
  expected = 'the columns id and key, with the ids 0..n-1 once each'
  classes: dict[int, str] = {}
  for line, row in text.read_table(path, ('id', 'key')):
    number = row['id']
    if not number.isdecimal() or int(number) in classes or not row['key']:
      raise text.fail(path, line, f'{number!r}, {row["key"]!r}', expected)
    classes[int(number)] = row['key']
  if sorted(classes) != list(range(len(classes))) or not classes:
    raise text.fail(path, None, f'{len(classes)} ids with gaps', expected)
  return [classes[i] for i in range(len(classes))]


def read(path: str, label: str, count: int) -> list[Action]:
  """Reads a list.

  Args:
    path: of the csv.
    label: column of the classes, 'verb_class' or 'noun_class'.
    count: of classes.

  Returns:
    The actions in the order of the file.

  Raises:
    text.AnnotationError: with file and line.
  """
  required = (
    *('narration_id', 'video_id', 'start_timestamp', 'stop_timestamp'),
    *('start_frame', 'stop_frame'),
  )
  if label not in map(text.column, text.first_row(path)):
    expected = 'a list with labels; a test list has none'
    raise text.fail(path, 1, f'no column {label}', expected)
  actions = [
    _action(path, line, row, label, count)
    for line, row in text.read_table(path, (*required, label))
  ]
  if not actions:
    raise text.fail(path, None, 'no actions', 'rows below the header')
  return actions


def _action(
  path: str, line: int, row: dict[str, str], label: str, count: int
) -> Action:
  start, stop = (
    text.seconds(row[name], path, line, name)
    for name in ('start_timestamp', 'stop_timestamp')
  )
  first, last = (
    int(text.number(row[name], path, line, name))
    for name in ('start_frame', 'stop_frame')
  )
  number, missing = None, f'its {label} is not known ({path}:{line})'
  if row[label] not in _UNKNOWN:
    number, missing = int(text.number(row[label], path, line, label)), ''
    if not 0 <= number < count:
      problem = f'{label} is {number}'
      raise text.fail(path, line, problem, f'0 to {count - 1}')
  if not 0 <= start < stop or not 0 <= first <= last:
    missing = f'it lasts from {start:g} s to {stop:g} s ({path}:{line})'
  return Action(
    id=row['narration_id'],
    video=row['video_id'],
    label=number,
    seconds=(start, stop),
    frames=(first, last),
    missing=missing,
  )


def open_split(dataset: str, raw: str, split: str) -> examples.Source:
  """Opens a split; see the module's docstring for the layout."""
  what = dataset.rpartition('_')[2]
  names = (f'EPIC_100_{what}_classes{end}.csv' for end in ('', '_v2'))
  classes = read_classes(_file(raw, *names))
  path = _file(raw, f'EPIC_100_{_NAMES[split]}.csv')
  actions = read(path, f'{what}_class', len(classes))
  films = sorted({action.video for action in actions})
  find = listed.finder(raw, _PLACES, films)
  places = {film: find(film) for film in films}
  of_frames = {
    film for film, place in places.items() if place and videos.is_folder(place)
  }
  return listed.assemble(
    name=dataset,
    split=split,
    kind='classification',
    fps=None,
    classes=classes,
    clips=[
      _clip(action, places[action.video], action.video in of_frames)
      for action in actions
    ],
    folder=raw,
    notes=_notes(of_frames),
  )


def _notes(of_frames: set[str]) -> list[str]:
  if not of_frames:
    return []
  return [
    f'{len(of_frames)} videos are folders of frames, of 60 or 50 a second: '
    'strides count frames'
  ]


def _clip(action: Action, place: str | None, of_frames: bool) -> listed.Clip:
  start, end = action.seconds
  if of_frames:
    first, last = (max(frame, 1) for frame in action.frames)
    # Frame n is shown until n / fps.
    start, end = (n / decode.DEFAULT_FPS for n in (first - 1, last))
  labels = () if action.label is None else (action.label,)
  return listed.Clip(action.id, labels, place, start, end, action.missing)


def _file(raw: str, *names: str) -> str:
  """Returns the first of these files that there is."""
  what = "one of EPIC-KITCHENS-100's lists"
  return listed.annotations(raw, _ANNOTATIONS, names, what)


def _record(what: str, num_classes: int) -> dataset_lib.Dataset:
  return dataset_lib.Dataset(
    name=f'epic_kitchens_{what}',
    folder='epic_kitchens',
    kind='classification',
    title=f'EPIC-KITCHENS-100, {what}s',
    description=f'EPIC-KITCHENS-100: the {what}s of what people do at home.',
    layout=__doc__,
    citation="""@article{damen2022rescaling,
  title={Rescaling Egocentric Vision: Collection, Pipeline and Challenges for
    {EPIC-KITCHENS-100}},
  author={Damen, Dima and Doughty, Hazel and Farinella, Giovanni Maria and
    others},
  journal={IJCV},
  volume={130},
  year={2022}}""",
    licence='CC BY-NC 4.0 (https://epic-kitchens.github.io).',
    open=open_split,
    num_classes=num_classes,
    # No class names a side: 'turn-on' and 'turn-down' are about switches.
    mirrored=True,
  )


DATASETS = (_record('verb', 97), _record('noun', 300))
