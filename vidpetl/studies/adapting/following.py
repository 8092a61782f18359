"""Check, plan, search, and what is handed over, one after the other."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from vidpetl import durable, tables
from vidpetl.data import sources
from vidpetl.data.survey import cache, findings, report
from vidpetl.studies import checking, series
from vidpetl.studies import settings as settings_lib
from vidpetl.studies.adapting import (
  asking,
  cost,
  journal,
  search,
  telling,
  winning,
)
from vidpetl.studies.planning import cards
from vidpetl.studies.report import written
from vidpetl.tasks import task as task_lib
from vidpetl.training import compiling, interruption, splits


def follow(
  asked: asking.Asked, name: str, card: cards.Card, anyway: bool, dry: bool
) -> int:
  """Follows what is asked to its end, or goes on with it.

  Args:
    asked: for what.
    name: of the data.
    card: the device whose memory has to do.
    anyway: goes on where the data are wrong.
    dry: ends after the plan.

  Returns:
    The exit status.
  """
  began = time.monotonic()
  plain = settings_lib.make([{'name': 'head', 'method': 'head'}])
  config = asked.searching().load(plain, 0)
  asked = asked.with_test(config)
  config = asked.searching().load(plain, 0)
  _require(config, asked)
  compiling.keep(config.compile_cache, asked.folder)
  books = journal.Journal(asked.folder, asked.record())
  books.found['chosen_by'] = (
    'the validation split' if asked.test else 'held-out training examples'
  )
  print('=== check', flush=True)
  check = _check(config, name, asked)
  print(report.text(check), flush=True)
  if check['levels'][findings.WRONG] and not anyway:
    print(
      f'What is wrong would make results wrong: see '
      f'{asked.folder / "check" / "check.html"}; --anyway goes on.',
      file=sys.stderr,
    )
    return 1
  found = search.Search(asked, books, config, _sizes(config, asked, plain))
  print('\n=== plan', flush=True)
  found.weigh(card)
  sections = _plan(found, card)
  books.found['before'] = (
    books.found.get('before', 0.0) + time.monotonic() - began
  )
  books.write()
  if dry:
    return 0
  try:
    found.heads()
    found.methods()
    return _hand_over(found, name, check, sections)
  except series.Interrupted:
    print('The same command goes on.', file=sys.stderr)
    return interruption.STATUS


def _require(config: Any, asked: asking.Asked) -> None:
  """Refuses fields that a search cannot work with."""
  if config.steps:
    raise ValueError(
      '--config.steps: a search counts in epochs; give --epochs.'
    )
  if not config.validation and not asked.test:
    raise ValueError(
      '--config.validation=0 holds nothing out to choose by; give a share.'
    )


def _check(config: Any, name: str, asked: asking.Asked) -> dict[str, Any]:
  folder = checking.folder_for(config, name, str(asked.folder / 'check'))
  return checking.check(
    config,
    name,
    folder,
    processes=os.cpu_count() or 1,
    cache_path=cache.default_path(),
  )


def _sizes(config: Any, asked: asking.Asked, plain: Any) -> cost.Sizes:
  """Returns how many examples there are, of all tasks."""
  train, held, _ = splits.opened(config)
  tests = [
    len(sources.open_source(task.eval))
    for task in asked.last().load(plain, 0).tasks.values()
    if task.get('eval')
  ]
  first, options = next(iter(config.tasks.items()))
  _, cut = task_lib.clips_of(first, options)
  count = lambda parts: sum(map(len, parts.values()))
  last = count(train) + (0 if asked.test else count(held))
  return cost.Sizes(
    count(train), count(held), sum(tests), last, cut.num_views
  )  # fmt: skip


def _plan(found: search.Search, card: cards.Card) -> dict[str, Any]:
  """Prints the plan; returns it as sections of the page."""
  every = list(found.known.values())
  rows = telling.plan(every, found.sizes, found.epochs)
  sizes = found.sizes
  device = 'this device' if card.name == cards.THIS else card.name
  told = (
    f'{sizes.train:,} examples to train on, {sizes.held:,} to choose by '
    f'({found.books.found["chosen_by"]}), {sizes.test:,} to test on. For '
    f'{device}, a step of {_batch(every)} clips, and {found.epochs:g} '
    'epochs:'
  )
  print(f'{told}\n{tables.columns(rows, "<>>>><", "  ")}')
  refused = telling.refused(every)
  print('\n'.join(refused), flush=True)
  return {'What fits': [told], 'The plan': rows, 'Left out': refused}


def _batch(found: Any) -> int:
  return next((one.how.batch for one in found if one.how), 0)


def _hand_over(
  found: search.Search, name: str, check: Any, sections: dict[str, Any]
) -> int:
  """Trains the winner, tells all of it, and returns the exit status."""
  books, folder = found.books, found.asked.folder
  if not winning.winner(found):
    lines = telling.lacking(books.found)
    print('\n'.join(['Nothing was tried to its end.', *lines]), file=sys.stderr)
    return 1
  workdir, results = winning.train(found)
  books.found['commands'] = telling.commands(workdir)
  books.found['model'] = str(workdir)
  # Runs that were compared have no page of their own yet.
  told = written.at_end(workdir)
  place = workdir.relative_to(folder) / written.FILE
  books.found['report'] = str(place)
  books.found['results'] = {
    task: each['metrics'] for task, each in results['tasks'].items()
  }
  books.write()
  rows = telling.tried(books.found, found.metric)
  lines = telling.result(books.found, workdir, results)
  lines.append(telling.spent(books.spent, found.asked.limit))
  lacking = telling.lacking(books.found)
  text = telling.page(
    name,
    books.found,
    check,
    {'Result': lines, 'What was tried': rows, 'Shortened': lacking, **sections},
  )
  durable.write(folder / telling.PAGE, text)
  print(f'\n=== what was tried\n{tables.columns(rows, "<>>>>><")}')
  parts = [*lacking, '', *lines, f'All of it: {folder / telling.PAGE}', '']
  print('\n'.join([*parts, told, '', *books.found['commands']]), flush=True)
  return 0
