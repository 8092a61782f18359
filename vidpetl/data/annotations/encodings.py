"""How the bytes of a text file are to be read."""

from __future__ import annotations

import codecs
import dataclasses

# Byte order marks; that of UTF-32 begins as that of UTF-16 does.
_MARKS = (
  (codecs.BOM_UTF8, 'utf-8-sig'),
  (codecs.BOM_UTF32_LE, 'utf-32'),
  (codecs.BOM_UTF32_BE, 'utf-32'),
  (codecs.BOM_UTF16_LE, 'utf-16'),
  (codecs.BOM_UTF16_BE, 'utf-16'),
)
# Encodings without a mark: bytes of a letter, and which of them are not 0 in
# most texts.
_WIDE = (
  ('utf-32-le', 4, 0),
  ('utf-32-be', 4, 3),
  ('utf-16-le', 2, 0),
  ('utf-16-be', 2, 1),
)
WINDOWS = 'cp1252'  # Latin-1 as Windows writes it
_SAMPLE = 4096
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Encoding:
  """How a file is encoded.

  Attributes:
    name: as Python calls it; '' for a file that is no text.
    wrong: number of the first line, from 1, whose bytes are not of `name`; None
      if all are.
    no_utf8: number of the first line that made UTF-8 impossible; None if none.
  """

  name: str
  wrong: int | None = None
  no_utf8: int | None = None


def detect(path: str) -> Encoding:
  """Finds out how a text file is encoded.

  A byte order mark tells. Without one it is UTF-16 or UTF-32 if its zero bytes
  stand as they do there, else UTF-8, and if it is not, Windows-1252. All of the
  file is read, so that whoever reads it as `name` meets no error.

  Args:
    path: of a local file.
  """
  with open(path, 'rb') as file:
    start = file.read(_SAMPLE)
  for mark, name in _MARKS:
    if start.startswith(mark):
      return Encoding(name, wrong=_first_wrong(path, name))
  if b'\0' in start:
    name = _wide(start)
    return Encoding(name, wrong=_first_wrong(path, name) if name else None)
  wrong = _first_wrong(path, 'utf-8')
  if wrong is None:
    return Encoding('utf-8')
  return Encoding(WINDOWS, no_utf8=wrong)


def _wide(start: bytes) -> str:
  """Returns which of `_WIDE` a text with zeros is, '' if none for certain."""
  for name, width, place in _WIDE:
    columns = [start[i::width] for i in range(width)]
    # A text's letters may be of any script; its ends of lines, digits and
    # commas are not. Zeros where others have none are no text's.
    zeros = [column.count(0) / max(len(column), 1) for column in columns]
    others = [z for i, z in enumerate(zeros) if i != place]
    if zeros[place] == 0 and min(others) > 0.5:
      return name
  return ''


def _first_wrong(path: str, name: str) -> int | None:
  """Returns the first line whose bytes are not of an encoding, if any."""
  decoder = codecs.getincrementaldecoder(name)()
  line = 1
  with open(path, 'rb') as file:
    while True:
      block = file.read(_BLOCK)
      try:
        line += decoder.decode(block, final=not block).count('\n')
      except UnicodeDecodeError as error:
        return line + _newlines(error.object[: error.start], name)
      if not block:
        return None


def _newlines(good: bytes, name: str) -> int:
  width = {'utf-16': 2, 'utf-32': 4}.get(name[:6], 1)
  return good.count(b'\n') if width == 1 else good.count(b'\n\0')
