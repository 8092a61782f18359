"""An export is written as a whole, once it says what its run says, or not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath

from vidpetl import durable, parts
from vidpetl.exporting import (
  colleague,
  comparing,
  films,
  preprocessing,
  readme,
  targets,
)
from vidpetl.exporting import subject as subject_lib

READER = 'read_clip.py'


def write(
  subject: subject_lib.Subject,
  to: str,
  out: str,
  clips: Sequence[str] = (),
  tolerance: float | None = None,
) -> list[str]:
  """Exports a task of a trained model.

  Args:
    subject: what is exported.
    to: a module of `targets`.
    out: folder to write, which is not there yet, or empty.
    clips: films on which it is compared; of the run's evaluation by default.
    tolerance: largest difference from the run, as a share of the largest value
      (of 1, if that is less); None is the target's own.

  Returns:
    What there is to say of it.

  Raises:
    ValueError: if there is no such target, if it cannot hold the model, or if
      what was exported says something else; `out` is as it was then.
  """
  target = parts.load(targets, to, 'EXAMPLE', '--to')
  if tolerance is None:
    tolerance = target.TOLERANCE[subject.dtype]
  with whole(out) as folder:
    taken = films.take(subject, subject.origin, clips)
    target.write(subject, folder)
    found = comparing.compare(subject, target.reader(subject, folder), taken)
    if not found.within(tolerance):
      raise ValueError(
        f'--to={to}: {found}; on {taken.words}. That is more than '
        f'--tolerance={tolerance:g} allows, so {out} was not written.'
      )
    beside(folder, subject, readme.write(subject, target, found, taken.words))
  return [f'{found}; on {taken.words}']


def beside(
  folder: epath.Path,
  subject: subject_lib.Subject,
  text: str,
  inside: bool = True,
) -> None:
  """Writes preprocessing.json, README.md and the reader of clips.

  Args:
    folder: of the export.
    subject: what was exported.
    text: of README.md.
    inside: see `preprocessing.describe`.
  """
  described = preprocessing.describe(subject, inside)
  plain = json.dumps(described, indent=2, ensure_ascii=False, default=_plain)
  durable.write(folder / preprocessing.FILE, plain + '\n')
  durable.write(folder / readme.FILE, text)
  source = epath.Path(colleague.__file__).parent / READER
  durable.write(folder / READER, source.read_bytes())


def _plain(value: np.generic) -> float | int:
  return value.item()


@contextlib.contextmanager
def whole(out: str) -> Iterator[epath.Path]:
  """Gives a folder to fill, which becomes `out` if nothing is raised."""
  with durable.folder(out, replace=False) as folder:
    yield folder
