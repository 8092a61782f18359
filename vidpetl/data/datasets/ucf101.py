"""UCF101, by its three splits: `ucf101_1`, `ucf101_2` and `ucf101_3`.

    <raw>/ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.txt
    <raw>/…/<Class>/<file>.avi                   unpacked, anywhere below <raw>

A video may have another suffix, or be a folder of its frames.

'val' is the test list.
"""

from __future__ import annotations

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import text
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import classification, videos

FPS = 25.0
_NAMES = {'train': 'train', 'val': 'test'}


def read_classes(path: str) -> list[str]:
  """Reads `classInd.txt`: lines `1 ApplyEyeMakeup`.

  Returns:
    Class names by index from 0.

  Raises:
    text.AnnotationError: unless the numbers are 1..n, once each.
  """
  expected = 'a number and a class, with the numbers 1..n once each'
  names: dict[int, str] = {}
  for line, fields in _rows(path):
    if len(fields) != 2 or not fields[0].isdigit() or int(fields[0]) in names:
      raise text.fail(path, line, repr(' '.join(fields)), expected)
    names[int(fields[0])] = fields[1]
  if sorted(names) != list(range(1, len(names) + 1)) or not names:
    raise text.fail(path, None, f'{len(names)} numbers with gaps', expected)
  return [names[i] for i in sorted(names)]


def read(path: str, classes: list[str]) -> tuple[list[str], list[int]]:
  """Reads a list: `Class/file.avi`, and in training lists the class's number.

  Returns:
    Files `Class/file.avi`, and labels from 0.

  Raises:
    text.AnnotationError: with file and line, e.g. for an unknown class.
  """
  index = {name: i for i, name in enumerate(classes)}
  expected = 'Class/file.avi, and possibly the number of the class'
  files, labels = [], []
  for line, fields in _rows(path):
    name, slash, _ = fields[0].partition('/')
    if not slash or len(fields) > 2:
      raise text.fail(path, line, repr(' '.join(fields)), expected)
    if name not in index:
      problem = f'class {name!r} is not in classInd.txt'
      raise text.fail(path, line, problem, 'one of its names')
    if len(fields) == 2 and fields[1] != str(index[name] + 1):
      problem = f'{name} has the number {fields[1]}'
      raise text.fail(path, line, problem, f'{index[name] + 1}')
    files.append(fields[0])
    labels.append(index[name])
  if not files:
    raise text.fail(path, None, 'no videos', expected)
  return files, labels


def _rows(path):
  for number, line in text.lines(path):
    yield number, line.split()


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
  name = f'{_NAMES[split]}list0{dataset[-1]}.txt'
  classes = read_classes(_list(raw, 'classInd.txt'))
  ids, labels = read(_list(raw, name), classes)
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


def _list(raw: str, name: str) -> str:
  path = epath.Path(raw) / 'ucfTrainTestlist' / name
  return text.require(path, f"UCF101's {name}")


DATASET = dataset_lib.Dataset(
  name='ucf101',
  names=('ucf101_1', 'ucf101_2', 'ucf101_3'),
  kind='classification',
  title='UCF101',
  description='UCF101: clips of human actions from YouTube.',
  layout=__doc__,
  citation="""@article{soomro2012ucf101,
  title={{UCF101}: A Dataset of 101 Human Actions Classes From Videos in The
    Wild},
  author={Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  journal={arXiv:1212.0402},
  year={2012}}""",
  licence=(
    'Not stated in its files; see https://www.crcv.ucf.edu/data/UCF101.php.'
  ),
  open=open_split,
  num_classes=101,
  fps=FPS,
  demo_classes=8,
)
