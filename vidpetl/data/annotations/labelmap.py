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
  name, number, last = None, None, 0
  with open(path, encoding='utf-8') as file:
    for line, content in enumerate(file, 1):
      field = re.match(r'\s*(name|id|label_id)\s*:\s*(.*?)\s*$', content)
      if field is None:
        continue
      last = line
      if field[1] == 'name':
        if name is not None:
          raise text.fail(path, line, f'{name!r} has no id', _PBTXT)
        name = field[2].strip('"\'')
      else:
        number = field[2]
      if name is not None and number is not None:
        yield line, number, name
        name, number = None, None
  if name is not None or number is not None:
    raise text.fail(path, last, 'a name or id without the other', _PBTXT)


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
