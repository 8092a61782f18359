"""Packages that a user may not have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed(package: str, what: str, extra: str) -> Iterator[None]:
  """Turns a failing import into an error that says how to install it.

  Args:
    package: that is imported.
    what: it does: 'runs onnx files'.
    extra: of vidpetl that brings it.

  Raises:
    ValueError: naming the pip command.
  """
  try:
    yield
  except ImportError as error:
    raise ValueError(
      f'{package} {what}, and cannot be imported ({error}): '
      f"pip install 'vidpetl[{extra}]'"
    ) from error
