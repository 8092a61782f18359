"""Finds what adapts a backbone to your data, trains it, and hands it over.

    vidpetl adapt my_videos --weights=checkpoint.pth --hours=8
    vidpetl adapt clips.csv --weights=videomae_b.safetensors --clips=200000
    vidpetl adapt people.csv --val=people_val.csv --weights=vivit.safetensors

DATA, and every further --name=value, are those of `vidpetl check`: arguments of
the config `adapt`, such as --frames, --batch, --task or --epochs, which are of
the run that is trained at last. The backbone is the one that the file is of;
--backbone says it where the file cannot tell. --config.<field>=<value> sets a
field of all runs.

It goes on in this order:

    check    what is odd about the data; what is wrong stops it
    plan     what fits the device's memory, and how long it takes
    heads    probes on the frozen backbone, whose features are kept: all seeds
             and rates in one pass
    methods  what trains in the backbone, by successive halving: all that fit
             for a ninth of the epochs, the best third of them for a third, and
             the best of those for all epochs, as heads are trained
    model    the best, trained on all training examples, and tested once

What is best is said by a part of the training examples that is held out
(config.validation, clips of one film together), or by val, where the data have
a test beside it; the test set is looked at by the last run alone. A budget,
--hours or --clips, is kept: what it does not pay for is shortened or left out,
and named. A clip, or a performance with all its segments, that goes through the
backbone counts one, and one on the way back another.

It may be killed at any moment; the same command goes on. --workdir has

    adapt.html  all of it; adapt.json, the same for programs
    model/      the run that is handed over: report.html and the package
    heads/, methods1/, …   sweeps, each run a working directory
    check/, features/

Exit status: 1 if the data are wrong, 2 for a mistake in the command, 75 if it
was told to stop.
"""

from __future__ import annotations

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, lock, ranges
from vidpetl.recipes import config_flag, data, given

with epy.lazy_imports():
  from vidpetl.studies.adapting import asking, following
  from vidpetl.studies.planning import cards


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('Not taken: it goes by the config `adapt`.')
  flags.DEFINE_string('data', None, 'DATA, by its name.')
  flags.DEFINE_string('workdir', None, 'Its folder; runs/adapt/DATA if unset.')
  bounded.define('hours', None, ranges.Positive, 'That it may take.')
  bounded.define(
    'clips', None, ranges.Count, 'That may go through the backbone, and back.'
  )
  flags.DEFINE_string(
    'device', 'this', 'Whose memory has to do, as `vidpetl plan` has it.'
  )
  bounded.define('seeds', 3, ranges.Count, 'Runs of each that may be best.')
  flags.DEFINE_list(
    'probes',
    [],
    'Heads: linear, normalised, attentive, efficient, frame_coded.',
  )
  flags.DEFINE_list('methods', [], 'Methods; the usual ones if unset.')
  flags.DEFINE_bool('anyway', False, 'Goes on where the data are wrong.')
  flags.DEFINE_bool('dry', False, 'Ends after the plan.')


def main(argv: list[str]) -> int:
  """Runs the command line; see the module's docstring for its status."""
  args = flags.FLAGS
  if args.config is not None:
    raise app.UsageError(
      f'--config={args.config}: it goes by the config `adapt`, whose arguments '
      'are flags here: --frames=16. `vidpetl sweep` takes other configs.'
    )
  logging.set_verbosity(logging.ERROR)
  name, more = given.split(argv[1:], args.data)
  folder = epath.Path(args.workdir or f'runs/adapt/{data.task_name(name)}')
  asked = asking.Asked(
    *asking.of_words(name, more),
    config_flag.fields(),
    folder,
    asking.limit(args.hours, args.clips),
    args.seeds,
    args.probes,
    args.methods,
  )
  card = cards.find(args.device)
  with lock.hold(folder):
    return following.follow(asked, name, card, args.anyway, args.dry)


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_words, trains=True)
