"""Tells a user's mistake from an error of the program, and what to note."""

from __future__ import annotations

import dis
import sys
import warnings
from collections.abc import Callable
from types import TracebackType


class Note(UserWarning):
  """Something that a user should know, and that stops nothing."""


def note(text: str) -> None:
  """Tells a user something once; a door prints it as a line 'note: …'."""
  # Each text once, wherever it comes from.
  warnings.warn_explicit(text, Note, 'vidpetl', 1, registry=_told)


_told: dict = {}


def as_lines(show: Callable[..., None]) -> Callable[..., None]:
  """Returns a `warnings.showwarning` that prints notes as lines.

  Args:
    show: the one that shows other warnings.
  """

  def shown(message, category, *rest, **more):
    if issubclass(category, Note):
      print(f'note: {message}', file=sys.stderr)
    else:
      show(message, category, *rest, **more)

  return shown


def is_mistake(error: BaseException) -> bool:
  """Returns whether an error says all that a user needs to mend it.

  That is: a file that cannot be read or written (OSError, from anywhere); and a
  ValueError, or an exception of vidpetl's own, which a `raise` in vidpetl or in
  a config states. A ValueError of a library, or of an expression such as
  int('x'), is an error of the program, of which the traceback is needed.
  """
  if isinstance(error, OSError):
    return True
  if not isinstance(error, ValueError) and not _is_ours(type(error).__module__):
    return False
  trace = error.__traceback__
  while trace and trace.tb_next:
    trace = trace.tb_next
  return trace is not None and _is_raise_of_ours(trace)


def _is_ours(module: str) -> bool:
  return module.partition('.')[0] == 'vidpetl'


def _is_raise_of_ours(trace: TracebackType) -> bool:
  frame = trace.tb_frame
  instruction = frame.f_code.co_code[trace.tb_lasti]
  raised = instruction == dis.opmap['RAISE_VARARGS']
  # A door runs as '__main__'; its spec has its name.
  spec = frame.f_globals.get('__spec__')
  name = spec.name if spec else frame.f_globals.get('__name__', '')
  return raised and _is_ours(name)
