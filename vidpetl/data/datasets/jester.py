"""Jester: 27 hand gestures before a webcam.

    <raw>/jester-v1-{train,validation}.csv        lines `id;label`
    <raw>/jester-v1-labels.csv                    a label a line; may be missing
    <raw>/20bn-jester-v1/<id>/00001.jpg           frames, 12 a second

or, as it is on Kaggle,

    <raw>/{Train,Validation}.csv                  video_id,label,frames,…
    <raw>/{Train,Validation}/<video_id>/00001.jpg

The csv files may lie in <raw>/annotations or <raw>/labels. Class ids are
positions in the sorted labels, so that both editions agree. The test list has
no labels.
"""

from __future__ import annotations

from collections.abc import Iterator

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data import examples
from vidpetl.data.annotations import text
from vidpetl.data.sources import listed

FPS = 12.0  # of the published frames
_NAMES = {'train': 'train', 'val': 'validation'}
_FOLDERS = ('', 'annotations', 'labels')


def read(path: str) -> tuple[list[str], list[str]]:
  """Reads a list of either edition.

  Returns:
    Ids of the clips and their labels, in the order of the file.

  Raises:
    text.AnnotationError: with file and line.
  """
  expected = 'id;label, or a header with video_id and label'
  _, first = next(text.lines(path), (1, ''))
  with_header = 'label' in first.split(',')
  clips, labels = [], []
  for line, clip, label in (_table if with_header else _lines)(path):
    if not clip or not label:
      raise text.fail(path, line, 'an empty field', expected)
    clips.append(clip)
    labels.append(label)
  if not clips:
    raise text.fail(path, None, 'no clips', expected)
  return clips, labels


def _table(path: str) -> Iterator[tuple[int, str, str]]:
  for line, row in text.read_table(path, ('video_id', 'label')):
    yield line, row['video_id'], row['label']


def _lines(path: str) -> Iterator[tuple[int, str, str]]:
  for line, content in text.lines(path):
    fields = content.split(';')
    if len(fields) != 2:
      problem = f'{len(fields)} columns'
      raise text.fail(
        path, line, problem, 'id;label (a test list has no label)'
      )
    yield line, *map(str.strip, fields)


def open_split(
  dataset: str, raw: str, split: str, fps: ranges.Positive = FPS
) -> examples.Source:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: 'jester'.
    raw: its folder.
    split: 'train' or 'val'.
    fps: of the folders of frames.
  """
  lists = {name: _list(raw, name) for name in _NAMES}
  found = {name: read(path) for name, path in lists.items()}
  classes = _classes(raw, found)
  index = {name: i for i, name in enumerate(classes)}
  ids, labels = found[split]
  if strange := sorted(set(labels) - set(index)):
    problem = f'label {strange[0]!r} is not in jester-v1-labels.csv'
    raise text.fail(lists[split], None, problem, 'one of its lines')
  folder = _NAMES[split].capitalize()
  places = ('20bn-jester-v1/{0}', f'{folder}/{{0}}', '{0}')
  find = listed.finder(raw, places, ids)
  return listed.assemble(
    name=dataset,
    split=split,
    kind=DATASET.kind,
    fps=fps,
    classes=classes,
    clips=[
      listed.Clip(clip, (index[label],), find(clip))
      for clip, label in zip(ids, labels)
    ],
    folder=raw,
  )


def _classes(raw: str, found: dict[str, tuple[list[str], list[str]]]):
  """Returns the sorted labels: those of their list, or of both splits."""
  path = _file(raw, 'jester-v1-labels.csv')
  if path:
    return sorted({label for _, label in text.lines(path)})
  return sorted({label for _, labels in found.values() for label in labels})


def _list(raw: str, split: str) -> str:
  name = _NAMES[split]
  names = (f'jester-v1-{name}.csv', f'{name.capitalize()}.csv')
  return listed.annotations(raw, _FOLDERS, names, f'the {name} list of Jester')


def _file(raw: str, name: str) -> str | None:
  paths = [epath.Path(raw) / folder / name for folder in _FOLDERS]
  return next((str(path) for path in paths if path.is_file()), None)


DATASET = dataset_lib.Dataset(
  name='jester',
  kind='classification',
  title='Jester',
  description='Jester: hand gestures before a webcam.',
  layout=__doc__,
  citation="""@inproceedings{materzynska2019jester,
  title={The {Jester} Dataset: A Large-Scale Video Dataset of Human Gestures},
  author={Materzynska, Joanna and Berger, Guillaume and Bax, Ingo and
    Memisevic, Roland},
  booktitle={ICCV Workshops},
  year={2019}}""",
  licence=(
    'By agreement, for research; it is accepted before the download '
    '(https://developer.qualcomm.com/software/ai-datasets/jester).'
  ),
  open=open_split,
  num_classes=27,
  fps=FPS,
  # 'Swiping Left' and 'Swiping Right' are two gestures.
  mirrored=False,
)
