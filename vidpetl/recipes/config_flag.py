"""The flag --config and its fields, --config.<field>=<value>."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from vidpetl import mistakes
from vidpetl.recipes import named

# The flag belongs to the program that defines it, not to this module.
flags.disclaim_key_flags()

_FIELD = re.compile(r'--?(?:no)?config\.([^=]+)')


def define(
  text: str,
  values: flags.FlagValues = flags.FLAGS,
  argv: Sequence[str] | None = None,
) -> None:
  """Defines --config.

  Args:
    text: what its help says.
    values: where.
    argv: the command line whose fields are meant; None is the process's own.
  """
  config_flags.DEFINE_config_file(
    'config', None, text, flag_values=values, sys_argv=argv
  )
  line = (lambda: sys.argv) if argv is None else (lambda: argv)
  values['config'].parser = _Parser(line)


class _Parser(flags.ArgumentParser):
  """Loads a config by name or file, and checks that its fields exist."""

  def __init__(self, argv: Callable[[], Sequence[str]]):
    self._argv = argv

  def parse(self, text: str) -> ConfigDict:
    """Returns the locked config.

    Raises:
      ValueError: for what `named.load` refuses, and for unknown fields.
      RuntimeError: from an error of the config's code.
    """
    try:
      config = named.load(text)
      for argument in self._argv():
        if field := _FIELD.match(argument):
          check_field(config, field[1])
    except (TypeError, ValueError) as error:
      if mistakes.is_mistake(error):
        raise
      # absl would take its message and drop its traceback.
      raise RuntimeError(f'--config={text} fails') from error
    return config.lock()

  def flag_type(self) -> str:
    return 'config'


def check_field(config: ConfigDict, path: str) -> None:
  """Raises ValueError, with the fields there are, unless a config has `path`.

  Args:
    config: of a run.
    path: 'tasks.ava.weight'.
  """
  at, found = 'config', config
  for name in path.split('.'):
    there = _fields(found)
    # Subscripts such as petl[0] are ml_collections' to read.
    if '[' in name:
      return
    if name not in there:
      fields = f'its fields are {", ".join(there)}' if there else 'no fields'
      raise ValueError(f'{at} has no field {name!r}; {fields}')
    at, found = f'{at}.{name}', found[name]


def _fields(tree: Any) -> list[str]:
  return list(tree) if isinstance(tree, ConfigDict) else []
