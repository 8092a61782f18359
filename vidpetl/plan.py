"""Says what a run takes of a device, before it is started or rented.

  python -m vidpetl.plan --config=adapt:backbone=videomae_b,method=lora \
    --device=l4 [--fit] [--methods=head,lora,adaptformer,full]

Prints memory by part, whether it fits, the largest batch, the time of a step
and, where the data are at hand, the hours of the run. It asks the compiler of
the device, if there is one here (a TPU's, with pip install "vidpetl[tpu]", a
GPU's, with "vidpetl[cuda]", or that of `this` device), and says so; else, and
with --estimate, it reckons from the traced program. --fit finds the fastest way
to make it fit, and prints the flags; --methods sets methods side by side. Needs
neither data nor weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from absl import app, flags, logging
from etils import epy

from vidpetl import cli, durable, tables
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  from vidpetl.experiment import experiment
  from vidpetl.studies import series
  from vidpetl.studies.planning import cards, compiled, estimate, fitting

_MIB, _GIB = 2**20, 2**30


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('The experiment, with its arguments after a colon.')
  flags.DEFINE_string(
    'device',
    'this',
    'h100, a100-40, l4, t4, h100-8, v5e-16, v4-128, …, or this.',
  )
  flags.DEFINE_bool('fit', False, 'Finds what makes it fit.')
  flags.DEFINE_bool('estimate', False, 'Asks no compiler.')
  flags.DEFINE_list('methods', [], 'Methods to set side by side.')
  flags.DEFINE_string('json', None, 'File of the numbers.')
  flags.mark_flag_as_required('config')


def report(plan: Any, examples: int | None) -> str:
  """Returns memory by part, time, and whether it fits.

  Args:
    plan: an `estimate.Estimate`.
    examples: of the training data, if they are at hand.
  """
  usable = estimate.USABLE * plan.card.memory
  rows = [(name, f'{n / _MIB:,.1f}') for name, n in plan.memory.items()]
  rows += [('all', f'{plan.total / _MIB:,.1f}')]
  fits = 'fits' if plan.fits else 'does not fit'
  verdict = (
    f'It {fits}: {usable / _GIB:.1f} of {plan.card.memory / _GIB:.1f} GiB may '
    f'be taken. The largest batch that does: {plan.largest_batch} clips.'
  )
  return '\n'.join(
    [
      f'Estimated for {plan.card.name}, {plan.config.batch_size} clips of '
      f'{plan.task} a step in {plan.config.accumulate} part(s), over '
      f'{plan.card.count} device(s)',
      tables.columns([('', 'MiB a device'), *rows], '<>', '  '),
      verdict,
      _time(plan, examples),
    ]
  )


def _time(plan: Any, examples: int | None) -> str:
  config, seconds = plan.config, plan.seconds
  rate = config.batch_size / seconds
  told = (
    f'A step takes some {seconds:.3g} s ({rate:,.1f} clips/s) by the roofline: '
    f'{sum(plan.flops.values()) / 1e12:,.2f} TFLOP and '
    f'{plan.moved / 1e9:,.1f} GB moved, on each device.'
  )
  steps = config.steps
  if not steps and examples:
    steps = round(config.epochs * examples / config.batch_size)
  if not steps:
    return f'{told} 1,000 steps: {_hours(1000 * seconds)}.'
  return f'{told} {steps:,} steps: {_hours(steps * seconds)}.'


def _hours(seconds: float) -> str:
  if seconds < 3600:
    return f'{seconds / 60:.1f} minutes'
  return f'{seconds / 3600:,.2f} hours'


def side_by_side(plans: Mapping[str, Any]) -> str:
  """Returns a table of methods."""
  rows = [
    (
      name,
      f'{plan.trained:,}',
      f'{plan.total / _GIB:,.1f}',
      'yes' if plan.fits else 'no',
      f'{plan.largest_batch:,}',
      f'{plan.seconds:.3g}',
      f'{plan.config.batch_size / plan.seconds:,.1f}',
    )
    for name, plan in plans.items()
  ]
  head = (
    'method', 'trained', 'GiB', 'fits', 'largest batch', 's a step', 'clips/s',
  )  # fmt: skip
  return tables.columns([head, *rows], '<>>>>>>', '  ')


def as_json(plan: Any) -> dict[str, Any]:
  """Returns the numbers of a plan."""
  return {
    'device': plan.card.name,
    'task': plan.task,
    'batch_size': plan.config.batch_size,
    'memory': plan.memory,
    'total': plan.total,
    'fits': plan.fits,
    'largest_batch': plan.largest_batch,
    'flops': plan.flops,
    'moved': plan.moved,
    'seconds': plan.seconds,
    'trained': plan.trained,
  }


def _asked(plan: Any) -> tuple[str, float | None]:
  """Returns what the device's compiler says of memory, if one is at hand."""
  if not compiled.at_hand(plan.card):
    return f'No compiler for {plan.card.name} is at hand here.', None
  size, seconds = compiled.total(plan.config, plan.card, plan.task)
  fits = 'fits' if size <= plan.card.memory else 'does not fit'
  return (
    f'Its compiler takes {size / _GIB:.2f} GiB of a device ({seconds:.0f} s): '
    f'it {fits}. The estimate is off by {100 * (plan.total / size - 1):+.0f} %.'
  ), size


def _examples(config: Any) -> int | None:
  """Returns how many examples there are to train on; None without the data."""
  try:
    return sum(
      len(experiment.open_training(config, name)) for name in config.tasks
    )
  except (OSError, ValueError):
    return None


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  card = cards.find(args.device)
  path, _, argument = args.config.partition(':')
  load = lambda text: series.load(path, text, config_flag.fields())
  if args.methods:
    texts = {m: ','.join(filter(None, [argument, f'method={m}']))
             for m in args.methods}  # fmt: skip
    plans = {m: estimate.estimate(load(t), card) for m, t in texts.items()}
    print(f'Estimated for {card.name}\n{side_by_side(plans)}')
    _write(args.json, {m: as_json(plan) for m, plan in plans.items()})
    return
  plan, changes = estimate.estimate(load(argument), card), {}
  if args.fit and not plan.fits:
    print(report(plan, None) + '\n', flush=True)
    changes, plan = fitting.fit(plan.config, card)
  print(report(plan, _examples(plan.config)), flush=True)
  numbers = as_json(plan) | {'changes': changes}
  if not args.estimate:
    told, numbers['compiled'] = _asked(plan)
    print(told)
  if args.fit:
    print(f'Add: {fitting.flags(changes)}' if changes else 'It fits as it is.')
  _write(args.json, numbers)


def _write(path: str | None, numbers: Any) -> None:
  if path:
    durable.write(path, json.dumps(numbers, indent=1) + '\n')


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded)
