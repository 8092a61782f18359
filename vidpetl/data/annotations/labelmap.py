"""Action id -> name: AVA's pbtxt, or one's own txt or csv."""

from __future__ import annotations

import re

from vidpetl.data.annotations import text

_PBTXT = 'items { name: "..." id: n } blocks (label, item or items)'


def read(path: str) -> dict[int, str]:
  """Reads a label map.

  Formats, by suffix: `.pbtxt` (also `.pbtxt.txt`) as AVA publishes it; `.csv`
  with rows `id,name`; anything else has lines `id: name`.

  Args:
    path: of the file.

  Returns:
    Id (>= 1) -> name, in the order of ids.

  Raises:
    text.AnnotationError: with line, for ids that are no positive numbers,
      repeated ids, and lines in another format.
  """
  if '.pbtxt' in path:
    pairs = _pbtxt(path)
  elif path.endswith('.csv'):
    pairs = _csv(path)
  else:
    pairs = _lines(path)
  names: dict[int, str] = {}
  for line, number, name in pairs:
    if not number.isdigit() or int(number) < 1:
      raise text.fail(path, line, f'id {number!r}', 'a whole number from 1')
    if int(number) in names:
      raise text.fail(path, line, f'id {number} again', 'each id once')
    names[int(number)] = name
  if not names:
    raise text.fail(path, None, 'no labels', _PBTXT)
  return dict(sorted(names.items()))


def _pbtxt(path):
  with open(path, encoding='utf-8') as file:
    content = file.read()
  for block in re.finditer(r'\{([^{}]*)\}', content):
    line = content.count('\n', 0, block.start()) + 1
    name = re.search(r'\bname\s*:\s*["\']([^"\']*)["\']', block[1])
    number = re.search(r'\b(?:label_)?id\s*:\s*(\S+)', block[1])
    if name is None or number is None:
      raise text.fail(path, line, 'a name or id without the other', _PBTXT)
    yield line, number[1], name[1]


def _csv(path):
  for lines, rows in text.read_rows(path, (2,), 'id,name'):
    for line, (number, name) in zip(lines, rows):
      if line == 1 and number.strip().lower() == 'id':
        continue
      yield line, number.strip(), name.strip()


def _lines(path):
  with open(path, encoding='utf-8') as file:
    for line, content in enumerate(file, 1):
      if not content.strip():
        continue
      number, colon, name = content.partition(':')
      if not colon:
        raise text.fail(path, line, repr(content.strip()), 'id: name')
      yield line, number.strip(), name.strip()
