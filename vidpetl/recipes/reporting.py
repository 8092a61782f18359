"""Which of a run's evaluations its number comes from.

A paper's protocol is the default of its config, and `report=` an argument of
every config:

  last        the last epoch's.
  best        the best epoch's, as measured on the test set itself.
  mean10      the mean of the last ten epochs'.
  validated   the test of the epoch that is best on a tenth of the training
              examples, which is held out for that.
"""

from __future__ import annotations

import ml_collections

from vidpetl import options

HELD_OUT = 0.1
CHOICES = ('last', 'best', 'mean10', 'validated')


def apply(config: ml_collections.ConfigDict, report: str) -> None:
  """Sets `config.report`, `config.validation` and what they need.

  Args:
    config: to change.
    report: one of `CHOICES`.

  Raises:
    ValueError: if it is none of them.
  """
  options.one_of('config', 'report', report, CHOICES)
  config.validation = HELD_OUT if report == 'validated' else 0.0
  config.report = 'best' if report == 'validated' else report
  if report != 'last':
    config.eval_every_epochs = 1.0
