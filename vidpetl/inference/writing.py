"""The files of answers: csv tables and a json of all there is."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import Any, Self

from etils import epath

from vidpetl import durable
from vidpetl.data.names import shown
from vidpetl.inference import answer as answer_lib

JSON = 'answers.json'
_FAILURES = 'unreadable.csv'


class Files:
  """Answers on file, film by film; use it as a context manager.

  Files take their places at the end, also if that comes early: what was
  answered by then is in them.
  """

  def __init__(self, folder: epath.PathLike):
    """Takes the folder, which is made."""
    self._folder = epath.Path(folder)
    self._folder.mkdir(parents=True, exist_ok=True)
    self._stack = contextlib.ExitStack()
    self._open: dict[str, io.TextIOWrapper] = {}
    self._answers = 0

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self.close()

  def add(self, answer: answer_lib.Answer) -> None:
    """Writes the rows of a film."""
    for name, columns in answer.tables().items():
      rows = [tuple(columns)] if name not in answer.headless else []
      file = self._file(f'{name}.csv', rows)
      _write(file, zip(*columns.values(), strict=True))
    self._add_json(answer.to_json())

  def add_failure(self, film: str, reason: str) -> None:
    """Writes a film that could not be read."""
    file = self._file(_FAILURES, [('film', 'reason')])
    _write(file, [(film, reason)])

  def _add_json(self, said: Any) -> None:
    file = self._file(JSON, [])
    text = json.dumps(said, ensure_ascii=False, indent=1)
    file.write('[\n' if not self._answers else ',\n')
    file.write(shown(text))
    self._answers += 1

  def _file(self, name: str, head: list[tuple[str, ...]]) -> Any:
    if name not in self._open:
      file = self._stack.enter_context(durable.opened(self._folder / name))
      self._open[name] = io.TextIOWrapper(file, encoding='utf-8', newline='')
      self._stack.callback(self._open[name].detach)
      _write(self._open[name], head)
    return self._open[name]

  def close(self) -> list[epath.Path]:
    """Puts the files in their places, and returns them."""
    if self._open and _FAILURES not in self._open:
      # Those of an earlier call, which may be readable now.
      (self._folder / _FAILURES).unlink(missing_ok=True)
    if JSON in self._open:
      self._open[JSON].write('\n]\n')
    paths = [self._folder / name for name in self._open]
    self._open = {}
    self._stack.close()
    return paths


def _write(file: Any, rows: Any) -> None:
  written = csv.writer(file, lineterminator='\n')
  written.writerows([[_cell(cell) for cell in row] for row in rows])


def _cell(cell: Any) -> Any:
  return shown(cell) if isinstance(cell, str) else cell
