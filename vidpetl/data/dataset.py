"""What is known of a public dataset, in one record.

A module of `vidpetl.data.datasets` reads a dataset's official files and ends in
`DATASET`, or in `DATASETS` where several share their files. Classes, frame
rate, and whether a clip may be mirrored stand there and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from vidpetl.data import examples


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A public dataset.

  Attributes:
    name: of the dataset.
    kind: of its annotations, a module of `vidpetl.data.kinds`.
    title: for people, 'Kinetics-400'.
    description: what it is, a sentence.
    layout: which files belong where in its folder.
    citation: BibTeX.
    licence: of annotations and videos, as far as it is known, and where to
      read it.
    open: (dataset, raw, split, **options) -> its source. `dataset` is one of
      `names`, `raw` the folder as downloaded. None where TFDS prepares the
      dataset, and the source 'tfds_images' opens it.
    folder: its own below a folder of datasets; its name, if it shares none.
    names: by which it can be opened, where that is not `name` alone: of splits
      that are datasets of their own ('hmdb51_1', ...).
    variants: option of `open` -> its values, where each makes a dataset of its
      own ('task' -> 'suturing', ...); they are part of the name of records.
    splits: of training and of evaluation.
    num_classes: outputs of a head; 0 where there are none.
    fps: nominal frame rate, in which published strides count; None is each
      file's own.
    mirrored: whether a mirrored clip keeps its label.
    demo_classes: the same of the demo world's version; None if there is none.
  """

  name: str
  kind: str
  title: str
  description: str
  layout: str
  citation: str
  licence: str
  open: Callable[..., examples.Source] | None = None
  folder: str = ''
  names: tuple[str, ...] = ()
  variants: Mapping[str, tuple[str | int, ...]] = dataclasses.field(
    default_factory=dict
  )
  splits: tuple[str, str] = ('train', 'val')
  num_classes: int = 0
  fps: float | None = None
  mirrored: bool = True
  demo_classes: int | None = None

  def __post_init__(self):
    object.__setattr__(self, 'names', self.names or (self.name,))
    object.__setattr__(self, 'folder', self.folder or self.name)
