"""Elements of an XML file, with their lines, one after the other.

Python's expat parses it. It fetches nothing from elsewhere. No annotation tool
declares entities, with which a small file could be blown up to any size; a file
that does is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from xml.parsers import expat

from etils import epath

from vidpetl.data.annotations import text

# No tool nests so many elements.
_DEPTH = 100
_BLOCK = 1 << 18


@dataclasses.dataclass
class Element:
  """An element of a file.

  Attributes:
    tag: its name.
    attributes: by name.
    where: file and line.
    children: elements inside.
    text: between the tags, without blanks around it.
  """

  tag: str
  attributes: dict[str, str]
  where: str
  children: list[Element] = dataclasses.field(default_factory=list)
  text: str = ''

  def get(self, name: str, default: str | None = None) -> str:
    """Returns an attribute.

    Raises:
      AnnotationError: if there is none, and no default.
    """
    value = self.attributes.get(name, default)
    if value is None:
      problem = f'<{self.tag}> has no attribute {name}'
      raise text.fail(self.where, None, problem, f'{name}="…" in it')
    return value

  def number(self, name: str, default: str | None = None) -> float:
    """Returns an attribute that is a number.

    Raises:
      AnnotationError: if it is none.
    """
    shown = f'<{self.tag} {name}>'
    return text.number(self.get(name, default), self.where, None, shown)

  def all(self, *tags: str) -> Iterator[Element]:
    """Yields the elements of these names inside, at any depth."""
    for child in self.children:
      if child.tag in tags:
        yield child
      yield from child.all(*tags)

  def text_of(self, tag: str) -> str:
    """Returns the text of the first element of this name inside, or ''."""
    return next((each.text for each in self.children if each.tag == tag), '')


class _Builder:
  """Builds the elements that are wanted, and forgets all others."""

  def __init__(self, path: str, wanted: Collection[str]):
    self.path, self.wanted = path, wanted
    self.done: list[Element] = []
    self._open: list[Element] = []
    self._texts: list[str] = []
    # Text that is decoded already is told to be what it is.
    self.parser = expat.ParserCreate('utf-8')
    self.parser.buffer_text = True
    self.parser.StartElementHandler = self._start
    self.parser.EndElementHandler = self._end
    self.parser.CharacterDataHandler = self._texts.append
    self.parser.EntityDeclHandler = self._refuse

  def _start(self, tag: str, attributes: dict[str, str]) -> None:
    self._texts.clear()
    if not self._open and tag not in self.wanted:
      return
    where = f'{self.path}:{self.parser.CurrentLineNumber}'
    if len(self._open) == _DEPTH:
      problem = f'{_DEPTH} elements inside each other'
      raise text.fail(where, None, problem, 'an export of an annotation tool')
    element = Element(tag, attributes, where)
    if self._open:
      self._open[-1].children.append(element)
    self._open.append(element)

  def _end(self, tag: str) -> None:
    if not self._open:
      return
    element = self._open.pop()
    element.text = ''.join(self._texts).strip()
    self._texts.clear()
    if not self._open:
      self.done.append(element)

  def _refuse(self, name: str, *unused) -> None:
    raise text.fail(
      self.path,
      self.parser.CurrentLineNumber,
      f'declares the entity {name!r}',
      'an export of an annotation tool, which declares none',
    )


def read(path: epath.PathLike, wanted: Collection[str]) -> Iterator[Element]:
  """Yields the outermost elements of some names, in the order of the file.

  Args:
    path: of the file.
    wanted: their names.

  Raises:
    AnnotationError: with the line, for what is no XML.
  """
  builder = _Builder(str(path), wanted)
  with text.open_text(path) as file:
    while True:
      block = file.read(_BLOCK)
      try:
        builder.parser.Parse(block, not block)
      except expat.ExpatError as error:
        problem = f'no XML ({expat.ErrorString(error.code)})'
        raise text.fail(
          path, error.lineno, problem, 'a whole file, as it was exported'
        ) from None
      yield from builder.done
      builder.done.clear()
      if not block:
        return
