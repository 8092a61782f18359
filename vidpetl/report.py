"""Writes the page of a run, or of several beside each other.

  python -m vidpetl.report RUN
  python -m vidpetl.report RUN RUN … --out=FILE [--names=a,b]

A run, finished or not, becomes RUN/report.html: its data, recipe, curves,
metrics, classes, the clips that it does worst and best on, playing, with
Grad-CAM, cost, versions and commands. Several runs are compared: metrics,
curves, each class, cost, and every field of their recipes that differs.

A page is one file that loads nothing, and can be sent to anybody.
"""

from __future__ import annotations

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, ranges

with epy.lazy_imports():
  from vidpetl.studies import recorded
  from vidpetl.studies.report import compare, page, written


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string(
    'out', None, 'File of the page; RUN/report.html if unset.'
  )
  flags.DEFINE_list('names', None, 'What the runs are called, in their order.')
  bounded.define(
    'examples', 4, ranges.Natural, 'Clips of the worst and of the best.'
  )
  flags.DEFINE_bool('grad_cam', True, 'Shows what speaks for a class in clips.')


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  folders = [epath.Path(word) for word in argv[1:]]
  if not folders:
    raise app.UsageError('Give the working directory of a run, or of several.')
  if len(folders) > 1 and not args.out:
    raise app.UsageError('Several runs need --out, the file of the page.')
  logging.set_verbosity(logging.ERROR)
  runs = recorded.named(folders, args.names)
  path = epath.Path(args.out or folders[0] / written.FILE)
  if len(runs) > 1:
    text = compare.of_runs(runs)
  else:
    text = page.of_run(runs[0], args.examples, args.grad_cam)
  written.write(path, text)
  print(path)


if __name__ == '__main__':
  cli.run(define_flags, main)
