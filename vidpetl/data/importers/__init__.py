"""Readers of what annotation tools and other code bases write.

A file each, and the files are the list: a module that ends in `FORMAT` (see
`vidpetl.data.importers.contract`) is a format, and its docstring says what it
holds and where that is documented. A format only reads. All that formats share
happens once, behind them: frames become seconds and pixels fractions (`films`),
labels and attributes become actions (`actions`), and both become the rows of
vidpetl's own csv files (`boxes`, `clips`) with a report.

The files are parsed by Python's own json, csv, configparser and expat, and by
PyYAML. Of the libraries that read such files, pycocotools and the SDK of CVAT
return the parsed file as it is, without a check or a line number; datumaro and
supervision bring PyTorch or OpenCV, and lose attributes, tracks or time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vidpetl import parts
from vidpetl.data.annotations import text
from vidpetl.data.importers import contract
from vidpetl.data.importers.files import File


def names() -> tuple[str, ...]:
  """Returns the names of all formats, sorted."""
  return parts.names(sys.modules[__name__], 'FORMAT')


def find(name: str) -> contract.Format:
  """Returns a format by its name.

  Raises:
    ValueError: if there is none of this name, with those there are.
  """
  return parts.load(sys.modules[__name__], name, 'FORMAT', '--from').FORMAT


def recognise(files: Sequence[File]) -> str:
  """Returns the name of the format that files have, by their content.

  Raises:
    AnnotationError: if no file is of a known format, or they are of several.
  """
  formats = {name: find(name) for name in names()}
  found: dict[str, File] = {}
  for file in files:
    for name, each in formats.items():
      if each.takes(file) and each.recognises(file):
        found.setdefault(name, file)
  if len(found) == 1:
    return next(iter(found))
  if found:
    each = ', '.join(f'{file.path} ({name})' for name, file in found.items())
    raise text.fail(
      each, None, 'files of several formats', 'one format, named by --from'
    )
  listed = '; '.join(f'{name}: {each.title}' for name, each in formats.items())
  shown = ', '.join(str(file.path) for file in files[:3]) or 'no file'
  raise text.fail(
    shown, None, 'in no format that can be imported', f'--from one of {listed}'
  )
