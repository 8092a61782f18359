"""Small images in the files of TFDS's own builders, without a download.

  python -m vidpetl.world.images --out=demo/tfds

Ten of CIFAR-100's hundred classes (or SVHN's digits, or some of Food-101's
dishes), each a drawing of its own in varying colours, sizes and places.
"""

from __future__ import annotations

import numpy as np
import tensorflow_datasets as tfds
from absl import app, flags
from PIL import Image, ImageDraw

from vidpetl import bounded, ranges
from vidpetl.data import datasets as datasets_lib
from vidpetl.world import scene

# Dataset -> side in pixels.
DATASETS = {'cifar100': 32, 'svhn_cropped': 32, 'food101': 48}
COUNTS = {'demo': (600, 200), 'tiny': (20, 10)}
CLASSES = 10

_OUT = flags.DEFINE_string('out', None, 'Folder: the data_dir of TFDS.')
_DATASETS = flags.DEFINE_list('datasets', ['cifar100'], 'Which.')
_SIZE = flags.DEFINE_enum('size', 'demo', list(COUNTS), 'How much to make.')
_SEED = bounded.define('seed', 0, ranges.Natural, 'Seed of everything.')


def write(
  out: str, *, datasets=('cifar100',), size: str = 'demo', seed: int = 0
) -> None:
  """Writes prepared datasets below `out`; one that is there is left alone.

  Args:
    out: the data_dir of TFDS.
    datasets: keys of `DATASETS`.
    size: 'demo' or 'tiny'.
    seed: of everything.

  Raises:
    ValueError: for an unknown dataset or size.
  """
  if unknown := sorted(set(datasets) - set(DATASETS)):
    raise ValueError(f'datasets: {unknown} not in {", ".join(DATASETS)}.')
  if size not in COUNTS:
    raise ValueError(f'size={size!r} is none of {", ".join(COUNTS)}.')
  for dataset in datasets:
    _builder(dataset, size, seed)(
      data_dir=out, file_format='array_record'
    ).download_and_prepare()


def _builder(dataset: str, size: str, seed: int) -> type:
  """Returns TFDS's builder of a dataset, drawing what it would download."""
  splits, side = datasets_lib.find(dataset).splits, DATASETS[dataset]

  class Drawn(tfds.builder_cls(dataset), skip_registration=True):
    name = dataset
    code_path = None  # where TFDS looks for checksums; nothing is downloaded

    def _split_generators(self, dl_manager):
      return {
        split: self._drawings(split, count)
        for split, count in zip(splits, COUNTS[size])
      }

    def _drawings(self, split, count):
      for i in range(count):
        label = i % CLASSES
        row = {
          'id': f'{split}_{i:05d}',
          'image': draw(label, (seed, dataset, split, i), side),
          'label': label,
          'coarse_label': 0,
        }
        yield i, {k: v for k, v in row.items() if k in self.info.features}

  return Drawn


def draw(kind: int, key: tuple, side: int) -> np.ndarray:
  """Returns a drawing, uint8 [side, side, 3].

  Args:
    kind: of `CLASSES`.
    key: of the generator of colours, sizes and places.
    side: in pixels.
  """
  rng = scene.generator(*key)
  back = rng.integers(0, 256, 3)
  front = (back + rng.integers(80, 176, 3)) % 256
  image = Image.new('RGB', (side, side), tuple(map(int, back)))
  pen = ImageDraw.Draw(image)
  r = side * rng.uniform(0.2, 0.38)
  cx, cy = rng.uniform(r, side - r, 2)
  _shape(pen, kind, cx, cy, r, tuple(map(int, front)))
  noise = rng.normal(0, 12, (side, side, 3))
  return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def _shape(pen, kind: int, cx: float, cy: float, r: float, colour) -> None:
  box = (cx - r, cy - r, cx + r, cy + r)
  width = max(2, int(r / 3))
  if kind == 0:
    pen.ellipse(box, fill=colour)
  elif kind == 1:
    pen.ellipse(box, outline=colour, width=width)
  elif kind == 2:
    pen.rectangle(box, fill=colour)
  elif kind == 3:
    pen.rectangle(box, outline=colour, width=width)
  elif kind == 4:
    pen.polygon([(cx, cy - r), (cx + r, cy + r), (cx - r, cy + r)], fill=colour)
  elif kind == 5:
    pen.polygon([(cx, cy + r), (cx + r, cy - r), (cx - r, cy - r)], fill=colour)
  elif kind == 6:
    pen.line((cx - r, cy, cx + r, cy), fill=colour, width=width)
  elif kind == 7:
    pen.line((cx, cy - r, cx, cy + r), fill=colour, width=width)
  elif kind == 8:
    pen.line((cx - r, cy, cx + r, cy), fill=colour, width=width)
    pen.line((cx, cy - r, cx, cy + r), fill=colour, width=width)
  else:
    pen.line(box, fill=colour, width=width)
    pen.line((cx - r, cy + r, cx + r, cy - r), fill=colour, width=width)


def main(argv: list[str]) -> None:
  """Writes the datasets."""
  if len(argv) > 1:
    raise app.UsageError(f'Not understood: {" ".join(argv[1:])}')
  if not _OUT.value:
    raise app.UsageError('--out=FOLDER is missing.')
  write(
    _OUT.value, datasets=_DATASETS.value, size=_SIZE.value, seed=_SEED.value
  )
  print('\n'.join(f'{_OUT.value}/{name}' for name in _DATASETS.value))


if __name__ == '__main__':
  app.run(main)
