"""Uploads: a form is read as it streams, and its film goes to a file."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import BinaryIO

import python_multipart as multipart
from etils import epath
from python_multipart.exceptions import FormParserError
from starlette.requests import Request

from vidpetl.serving.limits import Limits, Refusal

# Bytes of a field, how many fields, and what a form has around its film.
_FIELD, _FIELDS, _AROUND = 1000, 16, 20_000
_LONGEST = 100  # letters of a film's label
_FORM = 'send a form (multipart/form-data) whose field "film" is a video file'


@dataclasses.dataclass
class Form:
  """What was sent.

  Attributes:
    path: of the film.
    label: what its owner calls it; never part of a path.
    fields: the others.
  """

  path: epath.Path
  label: str = ''
  fields: dict[str, str] = dataclasses.field(default_factory=dict)


def label(name: str) -> str:
  """Returns the name of a file as a label: one short line, without folders."""
  name = unicodedata.normalize('NFC', re.split(r'[/\\]', name)[-1])
  shown = ''.join(c for c in name if unicodedata.category(c)[0] != 'C').strip()
  if len(shown) > _LONGEST:
    shown = f'{shown[: _LONGEST - 11]}…{shown[-10:]}'
  return shown or 'film'


async def receive(request: Request, path: epath.Path, limits: Limits) -> Form:
  """Reads a form.

  Args:
    request: whose body has not been read.
    path: where the film goes.
    limits: of the server.

  Raises:
    Refusal: if it is too large, or no such form.
  """
  kind, options = multipart.multipart.parse_options_header(
    request.headers.get('content-type', '')
  )
  if kind != b'multipart/form-data' or b'boundary' not in options:
    raise Refusal(415, f'This is no form: {_FORM}.')
  claimed = request.headers.get('content-length', '')
  if claimed.isdigit():
    _check(int(claimed), limits)
  with path.open('wb') as file:
    reader = _Reader(Form(path), file)
    total = 0
    try:
      parser = multipart.MultipartParser(options[b'boundary'], reader.calls())
      async for chunk in request.stream():
        total += len(chunk)
        _check(total, limits)
        parser.write(chunk)
    except FormParserError as error:
      raise Refusal(400, f'The form is damaged ({error}): {_FORM}.') from None
  return reader.finished()


def _check(size: int, limits: Limits) -> None:
  if size > limits.bytes + _AROUND:
    raise Refusal(
      413,
      f'The upload is larger than {limits.megabytes:g} MB, the most that this '
      'server takes: send the film shorter or smaller.',
    )


class _Reader:
  """Takes the parts of a form, as the parser finds them."""

  def __init__(self, form: Form, file: BinaryIO):
    self._form, self._file = form, file
    self._header, self._value = b'', b''
    self._name, self._is_film, self._text = '', False, b''
    self._ended, self._films = False, 0

  def calls(self) -> dict:
    """Returns what the parser calls."""
    names = ('header_field', 'header_value', 'header_end', 'part_begin')
    names += ('headers_finished', 'part_data', 'part_end', 'end')
    return {f'on_{name}': getattr(self, name) for name in names}

  def finished(self) -> Form:
    """Returns the form.

    Raises:
      Refusal: if it was not whole, or has no film.
    """
    if not self._ended:
      raise Refusal(400, f'The form ends early: {_FORM}.')
    if not self._films:
      raise Refusal(400, f'The form has no film: {_FORM}.')
    return self._form

  def part_begin(self) -> None:
    self._name, self._is_film, self._text = '', False, b''
    self._header, self._value = b'', b''

  def header_field(self, data: bytes, start: int, end: int) -> None:
    self._header += data[start:end]

  def header_value(self, data: bytes, start: int, end: int) -> None:
    self._value += data[start:end]

  def header_end(self) -> None:
    if self._header.lower() == b'content-disposition':
      _, options = multipart.multipart.parse_options_header(self._value)
      text = lambda key: options.get(key, b'').decode('utf-8', 'replace')
      self._name = text(b'name')
      if self._name == 'film' and b'filename' in options:
        self._is_film = True
        self._form.label = label(text(b'filename'))
        self._films += 1
    self._header, self._value = b'', b''

  def headers_finished(self) -> None:
    if self._films > 1:
      raise Refusal(400, 'The form has several films: send one at a time.')

  def part_data(self, data: bytes, start: int, end: int) -> None:
    if self._is_film:
      self._file.write(data[start:end])
      return
    self._text += data[start:end]
    if len(self._text) > _FIELD:
      raise Refusal(400, f'The field {self._name[:40]!r} is too long.')

  def part_end(self) -> None:
    if self._is_film:
      return
    self._form.fields[self._name] = self._text.decode('utf-8', 'replace')
    if len(self._form.fields) > _FIELDS:
      raise Refusal(400, f'The form has more than {_FIELDS} fields.')

  def end(self) -> None:
    self._ended = True
