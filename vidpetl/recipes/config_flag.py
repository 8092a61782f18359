"""The flag --config and its fields, --config.<field>=<value>."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from absl import flags

from vidpetl.recipes import named

# The flag belongs to the program that defines it, not to this module.
flags.disclaim_key_flags()

_FIELD = re.compile(r'--?config\.([^=]+)(=?)(.*)', re.DOTALL)


def define(text: str) -> None:
  """Defines --config.

  Args:
    text: what its help says.
  """
  flags.DEFINE_string('config', None, text)


def parse(argv: Sequence[str]) -> list[str]:
  """Parses a command line, and loads the config that it names.

  Args:
    argv: the program's name and its words.

  Returns:
    The words that are no flags.

  Raises:
    ValueError: if there is no such config, or it refuses its argument.
  """
  words = parse_unloaded(argv)
  if 'config' in flags.FLAGS and flags.FLAGS.config is not None:
    flags.FLAGS['config'].loaded = named.load(flags.FLAGS.config)
  return words


def parse_unloaded(argv: Sequence[str]) -> list[str]:
  """Parses a command line of which runs complete the config's argument."""
  if 'config' not in flags.FLAGS:
    return flags.FLAGS(argv)
  rest, flags.FLAGS['config'].fields = split(argv)
  return flags.FLAGS(rest)


def parse_words(argv: Sequence[str]) -> list[str]:
  """Parses a command line that also takes arguments of a config as flags.

  Returns:
    The program's name, and the words that are no flags of it.
  """
  rest, flags.FLAGS['config'].fields = split(argv)
  words = flags.FLAGS(rest, known_only=True)
  return [word for word in words if word != '--']


def fields() -> Mapping[str, str]:
  """Returns the fields on the command line that was parsed: path -> text."""
  return flags.FLAGS['config'].fields


def split(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
  """Takes the fields of a config out of a command line.

  Args:
    argv: words, e.g. '--config.epochs=5', or '--config.epochs' and '5', or
      '--config.backbone.remat' alone, which is true.

  Returns:
    The other words; path of a field, without 'config.' -> text.
  """
  rest: list[str] = []
  found: dict[str, str] = {}
  waiting = ''
  for word in argv:
    match = _FIELD.fullmatch(word)
    if match:
      name, has_value, value = match.groups()
      found[name] = value if has_value else 'true'
      waiting = '' if has_value else name
    elif waiting and not word.startswith('-'):
      found[waiting], waiting = word, ''
    else:
      rest.append(word)
      waiting = ''
  return rest, found
