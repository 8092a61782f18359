"""HMDB51, by its three splits: `hmdb51_1`, `hmdb51_2` and `hmdb51_3`.

    <raw>/testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt
    <raw>/…/<class>/<file>.avi                   unpacked, anywhere below <raw>

A video may have another suffix, or be a folder of its frames.

Class ids are positions in the sorted names; 'val' is the test list.
"""

from __future__ import annotations

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data import names
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

_ROLES = {'0': None, '1': 'train', '2': 'val'}
_EXPECTED = 'file.avi and 0 (unused), 1 (training) or 2 (test)'

FPS = 30.0


def read_classes(folder: epath.PathLike, fold: int) -> list[str]:
  """Returns the classes that have a file in `folder`, sorted.

  Args:
    folder: e.g. `testTrainMulti_7030_splits`.
    fold: 1 to 3.

  Raises:
    FileNotFoundError: if there is no folder, or none of its files is of `fold`.
  """
  folder = epath.Path(folder)
  if not folder.is_dir():
    raise FileNotFoundError(
      f"{folder}: no such folder; it should have HMDB51's split files"
    )
  end = _file_name('', fold)
  found = [
    path.name.removesuffix(end)
    for path in folder.iterdir()
    if path.name.endswith(end) and not names.is_litter(path.name)
  ]
  if not found:
    raise FileNotFoundError(f'{folder}: no file is called <class>{end}')
  return sorted(found)


def read(folder: epath.PathLike, fold: int, name: str, split: str) -> list[str]:
  """Returns the files of a class in a split, 'train' or 'val'.

  Raises:
    text.AnnotationError: with file and line.
  """
  path = epath.Path(folder) / _file_name(name, fold)
  files = []
  for number, line in text.lines(path):
    # Names of files have anything in them: '#', '!', ';', even blanks.
    fields = line.rsplit(maxsplit=1)
    if len(fields) != 2 or fields[1] not in _ROLES:
      raise text.fail(path, number, repr(line), _EXPECTED)
    if _ROLES[fields[1]] == split:
      files.append(fields[0])
  return files


def _file_name(name: str, fold: int) -> str:
  return f'{name}_test_split{fold}.txt'


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
  fold = int(dataset[-1])
  folder = epath.Path(raw) / 'testTrainMulti_7030_splits'
  classes = read_classes(folder, fold)
  ids, labels = [], []
  for label, name in enumerate(classes):
    for file in read(folder, fold, name, split):
      ids.append(f'{name}/{file}')
      labels.append(label)
  return classification.assemble(
    name=dataset,
    split=split,
    fps=FPS,
    classes=classes,
    ids=ids,
    labels=labels,
    find=videos.Finder(raw, videos.class_and_stem).get,
    folder=raw,
    frame_rate=fps,
  )


DATASET = dataset_lib.Dataset(
  name='hmdb51',
  names=('hmdb51_1', 'hmdb51_2', 'hmdb51_3'),
  kind='classification',
  title='HMDB51',
  description='HMDB51: clips of human actions from films and the web.',
  layout=__doc__,
  citation="""@inproceedings{kuehne2011hmdb,
  title={{HMDB}: A Large Video Database for Human Motion Recognition},
  author={Kuehne, Hilde and Jhuang, Hueihan and Garrote, Estibaliz and Poggio,
    Tomaso and Serre, Thomas},
  booktitle={ICCV},
  year={2011}}""",
  licence=(
    'CC BY 4.0, as its page says '
    '(http://serre-lab.clps.brown.edu/resources/HMDB/).'
  ),
  open=open_split,
  num_classes=51,
  fps=FPS,
  demo_classes=8,
)
