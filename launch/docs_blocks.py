"""Griffe extension: indented blocks of docstrings become blocks of code.

Markdown asks for four spaces; docstrings here indent examples and tables by
two. Blocks behind the first section (`Args:` and others) are left as they are.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

_SECTION = re.compile(
  r'^(Args|Attributes|Fields|Raises|Returns|Yields):$', re.M
)


def fence(text: str) -> str:
  """Returns a docstring's text with its indented paragraphs fenced.

  Args:
    text: of the docstring, dedented.
  """
  section = _SECTION.search(text)
  end = section.start() if section else len(text)
  before, rest = text[:end], text[end:]
  blocks = re.split(r'(\n{2,})', before)
  return ''.join(_fenced(block) for block in blocks) + rest


def _fenced(block: str) -> str:
  lines = block.split('\n')
  if not block.strip() or not all(x.startswith('  ') for x in lines if x):
    return block
  return f'```text\n{textwrap.dedent(block)}\n```'


class DocsBlocks(griffe.Extension):
  """Applies `fence` to every docstring."""

  def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
    del kwargs
    if obj.docstring:
      obj.docstring.value = fence(obj.docstring.value)
