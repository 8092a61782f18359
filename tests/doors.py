"""Command lines that are checked without a process started anew for each.

As a program, it forks for each line of its input: what doors import before
they have read their words is imported once.
"""

import importlib
import json
import os
import pathlib
import runpy
import subprocess
import sys
import traceback
import warnings

ROOT = pathlib.Path(__file__).parent.parent


class Doors:
  """Runs `python -m MODULE WORDS` up to where the words are parsed."""

  def __init__(self):
    self._server = subprocess.Popen(
      [sys.executable, __file__],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      env={**os.environ, 'PYTHONPATH': str(ROOT)},
      text=True,
    )

  def check(self, module, words, folder):
    """Returns the exit status in a folder, and what was said."""
    print(
      json.dumps([module, words, str(folder)]),
      file=self._server.stdin,
      flush=True,
    )
    return json.loads(self._server.stdout.readline())

  def close(self):
    self._server.communicate()


def _serve():
  from vidpetl import cli  # noqa: PLC0415
  from vidpetl.recipes import named  # noqa: PLC0415

  # Modules of doors are preloaded, and run once more as the program.
  warnings.simplefilter('ignore', RuntimeWarning)
  for module in cli.DOORS.values():
    importlib.import_module(module)
  named.load('vpetl')
  for line in sys.stdin:
    module, words, folder = json.loads(line)
    said = pathlib.Path(folder, 'said.txt')
    child = os.fork()
    if not child:
      _check(module, words, said)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([status, said.read_text()]), flush=True)


def _check(module, words, said):
  os.chdir(said.parent)
  file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
  for stream in (1, 2):
    os.dup2(file, stream)
  sys.argv = [module, *words, '--only_check_args']
  sys.path[0] = ''
  status = 1
  try:
    runpy.run_module(module, run_name='__main__', alter_sys=True)
  except SystemExit as ended:
    status = (
      ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    )
  except BaseException:
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
  _serve()
