"""Kinetics-400, -600 and -700.

    <raw>/annotations/{train,val}.csv     label,youtube_id,time_start,time_end,…
    <raw>/{train,val}/…/{youtube_id}_{start:06d}_{end:06d}.mp4

`validate.csv`, as some editions call it, will do. Class ids are positions in
the sorted label names of both csv files, so that they do not depend on which
videos are still to be had.
"""

from __future__ import annotations

import os

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

_COLUMNS = ('label', 'youtube_id', 'time_start', 'time_end')

FPS = 25.0  # to which the public ViViT code resamples Kinetics


def read(path: str) -> tuple[list[str], list[str]]:
  """Reads a split.

  Args:
    path: of a csv with (at least) the columns label, youtube_id, time_start,
      time_end; the label's quotes of some editions are csv quoting.

  Returns:
    Clip names '{youtube_id}_{start:06d}_{end:06d}' and label names, in the
    order of the file.

  Raises:
    text.AnnotationError: with file and line.
  """
  if 'label' not in map(text.column, text.first_row(path)):
    raise text.fail(
      path, 1, 'no column label', 'a list with labels; a test list has none'
    )
  clips, labels = [], []
  for line, row in text.read_table(path, _COLUMNS):
    start = text.number(row['time_start'], path, line, 'time_start')
    end = text.number(row['time_end'], path, line, 'time_end')
    if not 0 <= start < end:
      problem = f'time_start {start:g}, time_end {end:g}'
      raise text.fail(path, line, problem, '0 <= time_start < time_end')
    if not row['label'] or not row['youtube_id']:
      raise text.fail(path, line, 'an empty field', 'label and youtube_id')
    clips.append(f'{row["youtube_id"]}_{int(start):06d}_{int(end):06d}')
    labels.append(row['label'])
  if not clips:
    raise text.fail(path, None, 'no clips', 'rows below the header')
  return clips, labels


def open_split(
  dataset: str, raw: str, split: str, fps: ranges.Positive | None = None
) -> Classification:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: its name.
    raw: folder.
    split: 'train' or 'val'.
    fps: of folders of frames, where videos were taken apart.
  """
  lists = {name: read(_csv(raw, name)) for name in ('train', 'val')}
  classes = sorted({label for _, labels in lists.values() for label in labels})
  index = {name: i for i, name in enumerate(classes)}
  ids, labels = lists[split]
  folder = os.fspath(epath.Path(raw) / split)
  files = videos.Finder(folder)
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=classes,
    ids=ids,
    labels=[index[label] for label in labels],
    find=files.get,
    folder=folder,
    frame_rate=fps,
  )


def _csv(raw: str, split: str) -> str:
  folder = epath.Path(raw) / 'annotations'
  path, other = folder / f'{split}.csv', folder / 'validate.csv'
  if split == 'val' and not path.exists() and other.exists():
    return os.fspath(other)
  return text.require(path, f'the {split} list of Kinetics')


_DESCRIPTION = 'ten-second clips of human actions.'
_LICENCE = (
  'Annotations: CC BY 4.0 (https://deepmind.com/kinetics); the videos are '
  "their uploaders' on YouTube."
)

DATASETS = (
  dataset_lib.Dataset(
    name='kinetics400',
    kind='classification',
    title='Kinetics-400',
    description=f'Kinetics-400: {_DESCRIPTION}',
    layout=__doc__,
    citation="""@article{kay2017kinetics,
  title={The {Kinetics} Human Action Video Dataset},
  author={Kay, Will and others},
  journal={arXiv:1705.06950},
  year={2017}}""",
    licence=_LICENCE,
    open=open_split,
    num_classes=400,
    fps=FPS,
    demo_classes=10,
  ),
  dataset_lib.Dataset(
    name='kinetics600',
    kind='classification',
    title='Kinetics-600',
    description=f'Kinetics-600: {_DESCRIPTION}',
    layout=__doc__,
    citation="""@article{carreira2018short,
  title={A Short Note about {Kinetics-600}},
  author={Carreira, Joao and others},
  journal={arXiv:1808.01340},
  year={2018}}""",
    licence=_LICENCE,
    open=open_split,
    num_classes=600,
    fps=FPS,
  ),
  dataset_lib.Dataset(
    name='kinetics700',
    kind='classification',
    title='Kinetics-700',
    description=f'Kinetics-700: {_DESCRIPTION}',
    layout=__doc__,
    citation="""@article{carreira2019short,
  title={A Short Note on the {Kinetics-700} Human Action Dataset},
  author={Carreira, Joao and others},
  journal={arXiv:1907.06987},
  year={2019}}""",
    licence=_LICENCE,
    open=open_split,
    num_classes=700,
    fps=FPS,
  ),
)
