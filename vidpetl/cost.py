"""Measures what training costs: methods against full tuning of the same model.

  python -m vidpetl.cost --config=vpetl_images \\
    --over='method=head; method=lora; method=patt; method=adaptformer'

Compiles the training step of each setting (see vidpetl.sweep) and of
method=full; prints FLOPs and temporary memory as XLA counts them, the
optimizer's memory, and the time of a step, measured in turns. Needs neither
data nor weights. --steps=0 compiles for shapes alone and takes no times, so
that a model of any size can be asked about. A setting with a cache of features
(method=head,config.cache.path=any,config.cache.views=1) is the step that trains
from it; nothing is kept, and none is read. Flags such as
--config.backbone.remat=True go to all settings; it is computed in float32, if
not --config.dtype=bfloat16.
"""

from __future__ import annotations

import json

from absl import app, flags, logging
from etils import epy

from vidpetl import bounded, cli, durable, ranges
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  from vidpetl.studies import cost


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define(
    'The experiment that settings differ in; see `vidpetl --help`.'
  )
  flags.DEFINE_string('over', None, 'Settings: a=1; a=2,b=x|y')
  bounded.define('batch', 4, ranges.Count, 'Clips of a step.')
  flags.DEFINE_integer(
    'steps',
    4,
    'Whose time is taken; the first does not count. 0 compiles alone.',
    lower_bound=0,
  )
  flags.DEFINE_string('json', None, 'File of the numbers.')
  flags.mark_flags_as_required(['config', 'over'])


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  costs = cost.measure(
    args.config,
    args.over,
    args.batch,
    args.steps,
    {'dtype': 'float32', **config_flag.fields()},
  )
  print(cost.table(costs))
  if args.json:
    text = json.dumps(costs, indent=1) + '\n'
    durable.write(args.json, text)


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_unloaded, trains=True)
