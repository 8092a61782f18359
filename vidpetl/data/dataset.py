"""What is known of a public dataset, in one record.

A module of `vidpetl.data.datasets` reads a dataset's official files and ends in
`DATASET`, or in `DATASETS` where several share their files. Classes, frame
rate, and whether a clip may be mirrored stand there and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from vidpetl.data import examples


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A public dataset.

  Attributes:
    names: by which it can be opened: itself, or its splits where each is a
      dataset of its own ('hmdb51_1', …).
    kind: of its annotations, a module of `vidpetl.data.kinds`.
    open: (dataset, raw, split, **options) -> its source; `dataset` is one of
      `names`, `raw` the folder as downloaded.
    title: for people, 'Kinetics-400'.
    description: what it is, a sentence.
    layout: which files belong where below `raw`.
    citation: BibTeX.
    licence: of annotations and videos, as far as it is known, and where to
      read it.
    num_classes: outputs of a head; 0 where there are none.
    fps: nominal frame rate, in which strides count; None is each file's own.
    mirrored: whether a mirrored clip keeps its label.
    demo_classes: classes of the demo world's version; None if there is none.
    raw: name of the folder below a folder of datasets, where it is not the
      first of `names`.
  """

  names: tuple[str, ...]
  kind: str
  open: Callable[..., examples.Source]
  title: str
  description: str
  layout: str
  citation: str
  licence: str
  num_classes: int = 0
  fps: float | None = None
  mirrored: bool = True
  demo_classes: int | None = None
  raw: str = ''
