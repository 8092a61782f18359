"""The command line: `vidpetl DOOR …` is `python -m vidpetl.DOOR …`.

A door is a module with a docstring, `define_flags` and `main`, that ends in

    if __name__ == '__main__':
      cli.run(define_flags, main)

It imports what it works with lazily, so that `--help` and a mistake in the
command line answer before JAX and TensorFlow are loaded.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import runpy
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags
from etils import epath

from vidpetl import bounds, garbage, heap, mistakes
from vidpetl.recipes import config_flag, named

flags.disclaim_key_flags()

# For TensorFlow, which doors import where they read data: no notes on its
# start, and numbers that do not depend on oneDNN.
_TENSORFLOW = {
  'TF_CPP_MIN_LOG_LEVEL': '2',
  'TF_ENABLE_ONEDNN_OPTS': '0',
}
for _name, _value in _TENSORFLOW.items():
  os.environ.setdefault(_name, _value)

# Command -> module, in the order in which a newcomer needs them.
DOORS = {
  'train': 'vidpetl.main',
  'adapt': 'vidpetl.adapt',
  'check': 'vidpetl.check',
  'describe': 'vidpetl.describe',
  'backbones': 'vidpetl.catalogue',
  'plan': 'vidpetl.plan',
  'import': 'vidpetl.importing',
  'prepare': 'vidpetl.prepare',
  'predict': 'vidpetl.predict',
  'extract': 'vidpetl.extract',
  'serve': 'vidpetl.serve',
  'convert': 'vidpetl.convert',
  'export': 'vidpetl.export',
  'adapter': 'vidpetl.adapter',
  'sweep': 'vidpetl.sweep',
  'folds': 'vidpetl.folds',
  'cost': 'vidpetl.cost',
  'pictures': 'vidpetl.pictures',
  'figures': 'vidpetl.figures',
  'report': 'vidpetl.report',
  'frame_map': 'vidpetl.frame_map',
  'benchmark': 'vidpetl.benchmark',
  'world': 'vidpetl.world.__main__',
}
USAGE_ERROR = 2
_LIMITS = (
  'Bounds of files that are larger than the usual ones, NAME=NUMBER,…; the '
  'error that refuses a file names its bound.'
)
_HOME = re.compile('(?:^|(?<=[=,]))~(?=/)')
# As shells have it of a program that Ctrl-C ended.
_INTERRUPTED = 130
# What absl says of a required flag that is not given.
_MISSING = re.compile(r'^flag (--\w+)=None: Flag .* other than None\.$')


def main(argv: Sequence[str] | None = None) -> int:
  """Runs `vidpetl DOOR …`.

  Args:
    argv: the words behind 'vidpetl'; None is the process's own.

  Returns:
    The exit status, if a door has not ended the process with its own.
  """
  words = list(sys.argv[1:] if argv is None else argv)
  if not words or words[0] in ('--help', '-h', 'help'):
    print(overview())
    return 0
  door, *rest = words
  if door not in DOORS:
    return _fail(f'no command {door!r}; there are: ' + ', '.join(DOORS))
  # As `python -m` has it, so that a config may import what lies here.
  sys.path.insert(0, '')
  sys.argv = [f'vidpetl {door}', *rest]
  runpy.run_module(DOORS[door], run_name='__main__', alter_sys=True)
  return 0


def overview() -> str:
  """Returns what `vidpetl --help` prints."""
  doors = [f'  {door:<10} {summary(module)}' for door, module in DOORS.items()]
  lines = [
    'Adapts large video models with few trained parameters.',
    '',
    '  vidpetl COMMAND --help      explains a command',
    '',
    'Commands:',
    *doors,
    '',
    configs(),
  ]
  return '\n'.join(lines)


def summary(module: str) -> str:
  """Returns the first line of a module's docstring, without importing it."""
  source = epath.Path(importlib.util.find_spec(module).origin)
  tree = ast.parse(source.read_text(encoding='utf-8'))
  return ast.get_docstring(tree).partition('\n')[0]


def configs() -> str:
  """Returns the names that --config takes, as help shows them."""
  listed = textwrap.fill(
    ', '.join(named.names()), initial_indent='  ', subsequent_indent='  '
  )
  return f'Configs (--config=NAME:ARGUMENTS, or a file):\n{listed}'


def run(
  define_flags: Callable[[], None],
  main: Callable[[list[str]], Any],
  parse: Callable[[Sequence[str]], list[str]] = config_flag.parse,
  trains: bool = False,
) -> None:
  """Runs a door, and ends the process.

  A user's mistake (see `vidpetl.mistakes`) is one line and status 2; with
  --debug it has its traceback, as an error of the program always has.

  Args:
    define_flags: of the door.
    main: takes the words that are no flags; its result is the exit status.
    parse: parses the command line and returns those words.
    trains: whether it takes many steps, whose memory the process keeps.
  """
  garbage.ending()
  if trains:
    heap.keep()
  argv = [_at_home(word) for word in sys.argv]
  flags.DEFINE_bool('debug', False, "Shows the traceback of a user's mistake.")
  flags.DEFINE_string('limits', '', _LIMITS)
  define_flags()
  if {'--help', '-h', '-help'} & set(argv[1:]):
    print(_help())
    sys.exit(0)
  debug = '--debug' in argv
  warnings.showwarning = mistakes.as_lines(warnings.showwarning)

  def bounded(words: list[str]) -> Any:
    bounds.use(flags.FLAGS.limits)
    return main(words)

  def guarded(work: Callable[[Any], Any], argument: Any) -> Any:
    try:
      return work(argument)
    except (Exception, KeyboardInterrupt) as error:
      sys.exit(explain(error, debug))

  app.run(
    lambda words: guarded(bounded, words),
    argv,
    flags_parser=lambda words: guarded(parse, words),
  )


def explain(error: BaseException, debug: bool = False) -> int:
  """Prints what ended a door, if that can be said in a line.

  Args:
    error: that it raised.
    debug: whether everything is raised that is not a broken pipe.

  Returns:
    The exit status.

  Raises:
    BaseException: the error, if its traceback is needed.
  """
  if isinstance(error, BrokenPipeError):  # A reader, such as `head`, has left.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
  if debug:
    raise error
  if isinstance(error, KeyboardInterrupt):  # Ctrl-C
    print('interrupted', file=sys.stderr)
    return _INTERRUPTED
  if not _is_mistake(error):
    raise error
  return _fail(_MISSING.sub(r'\1 is missing; see --help', str(error)))


def _at_home(word: str) -> str:
  """Returns a word in which '~/' is the user's folder, wherever a path begins.

  Shells see to that at the beginning of a word alone.
  """
  return _HOME.sub(lambda match: str(epath.Path(match[0]).expanduser()), word)


def _is_mistake(error: Exception) -> bool:
  # absl words what is wrong with a flag.
  absl = isinstance(error, flags.Error | app.UsageError)
  return absl or mistakes.is_mistake(error)


def _fail(message: str) -> int:
  print(f'error: {message}', file=sys.stderr)
  return USAGE_ERROR


def _help() -> str:
  """Returns the help of the door that runs: its docstring and its flags."""
  lines = [sys.modules['__main__'].__doc__.strip(), '', 'Flags:']
  for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]):
    default = '' if flag.default is None else f' (default {flag.default!r})'
    lines.append(f'  --{flag.name}{default}')
    lines += textwrap.wrap(
      flag.help, initial_indent=' ' * 6, subsequent_indent=' ' * 6
    )
  if 'config' in flags.FLAGS:
    lines += ['', configs()]
  return '\n'.join(lines)
