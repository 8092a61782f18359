"""A trained run as a file for others: JAX, TensorFlow, ONNX, PyTorch.

  python -m vidpetl.export --run=RUN --to=jax|saved_model|onnx|torch OUT

RUN is a working directory, an adapter package with --backbone, or 'demo:clips'.
The first three hold the whole model, adapters of any kind inside, from bytes to
scores; torch merges what is linear, and writes weights for the family's own
code. OUT is a folder with the model, preprocessing.json, README.md with a
program that runs it without vidpetl, and read_clip.py, which reads films. It is
compared with the run on films of the run's own evaluation, or --clips, before
it is called written.
"""

from __future__ import annotations

from absl import app, flags, logging
from etils import epy

from vidpetl import bounded, cli, ranges

with epy.lazy_imports():
  from vidpetl.exporting import families, freeing, subject, writing
  from vidpetl.inference import model


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('run', None, 'The trained model.')
  flags.DEFINE_string('to', None, 'jax, saved_model, onnx or torch.')
  flags.DEFINE_string('backbone', '', 'Of a package: a run or a file.')
  flags.DEFINE_string('task', '', 'Which task of the run; the first if unset.')
  flags.DEFINE_list('clips', [], 'Films on which it is compared with the run.')
  bounded.define(
    'tolerance',
    None,
    ranges.Number,
    'Largest difference, as a share of the largest value (of 1, if that is '
    'less); by target and dtype if unset.',
  )
  flags.DEFINE_string(
    'family', '', 'torch: whose code takes it; found by the backbone if unset.'
  )
  flags.DEFINE_list(
    'free',
    [],
    'What is free beside the batch, where the model allows it: frames, size.',
  )
  flags.mark_flags_as_required(['run', 'to'])


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) != 2:
    raise app.UsageError('Give OUT, one folder to write.')
  logging.set_verbosity(logging.ERROR)
  out = argv[1]
  if args.family and args.to != 'torch':
    raise app.UsageError(f'--family is for --to=torch, not {args.to}.')
  if args.free and args.to == 'torch':
    raise app.UsageError('--to=torch writes weights, which have no such sizes.')
  asked = model.load(args.run, args.backbone)
  made = subject.Subject(
    asked.spec,
    asked.params,
    asked.task(args.task),
    args.run,
    args.backbone,
  )
  made = freeing.free(made, args.free)
  if args.to == 'torch':
    said = families.write(made, out, args.family, args.tolerance, args.clips)
  else:
    said = writing.write(made, args.to, out, args.clips, args.tolerance)
  print('\n'.join(said))
  print(f'Wrote {out}.')


if __name__ == '__main__':
  cli.run(define_flags, main)
