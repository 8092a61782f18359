"""Rows of `bench.py --compiled`: of devices that are not there, by compilers.

A step takes no less time than its products do at the data sheet's peak, and
what it reads and writes (of the compiled program, in tiles) at the bandwidth of
the memory; the longer of the two bounds it, and its MFU. The compiler's own
time is the sum of the cycles that it reckons for each instruction; kernels
written in Pallas have none, and programs of GPUs.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import bench_cases

COLUMNS = (
  'preset', 'method', 'clips', 'GFLOP', 'GB moved', 'memory, GiB',
  'ms at least', 'bound by', 'MFU at most, %', 'ms, compiler', 'compile, s',
)  # fmt: skip
_GIB = 2**30


def check(name: str) -> None:
  """Raises ValueError for a device that there is no compiler for."""
  from vidpetl.studies.pods import asking  # noqa: PLC0415

  if asking.target(name).platform == 'cpu':
    raise ValueError(
      f'--compiled={name}: no data sheet says what bounds this CPU; without '
      '--compiled its steps are measured'
    )


def share(name: str) -> float:
  """Returns the share of 80 GB that a device has."""
  from vidpetl.studies.planning import cards  # noqa: PLC0415

  return cards.find(name).memory / (80 * _GIB)


def row(case: Any, name: str) -> dict[str, Any]:
  """Returns what the compiler of a slice makes of a case of `bench.py`."""
  from vidpetl.studies.pods import asking  # noqa: PLC0415

  own = {**dataclasses.asdict(case), 'name': case.name, 'slice': name}
  try:
    return {**own, **asking.ask(case.config(), name), 'batch': case.batch}
  except ValueError as error:
    return {**own, 'error': str(error)}


def cells(found: Mapping[str, Any]) -> list[str]:
  """Returns a row of the table."""
  from vidpetl.studies.pods import asking, bounds  # noqa: PLC0415

  head = [found['preset'], found['method'], str(found['batch'])]
  if 'error' in found:
    return [*head, found['error'].splitlines()[0][:90], *[''] * 7]
  flops = f'{found["flops"]["step"] / 1e9:,.0f}'
  if 'full' in found:
    return [*head, flops, '', 'does not fit', *[''] * 4, _seconds(found)]
  at_best = bounds.bounds(found, found['dtype'])
  return [
    *head,
    flops,
    f'{found["moved"] / 1e9:.1f}',
    f'{asking.total(found) / _GIB:.2f}',
    f'{1e3 * at_best.seconds:.1f}',
    at_best.bound,
    f'{100 * at_best.mfu:.0f}',
    f'{1e3 * at_best.compiler:.1f}' if at_best.compiler else '',
    _seconds(found),
  ]


def _seconds(found: Mapping[str, Any]) -> str:
  return f'{found["seconds"]:.0f}'


def run(cases: Iterable[Any], name: str, out: pathlib.Path) -> None:
  """Compiles what is not compiled yet, and prints all as it grows.

  Args:
    cases: rows of `bench.py`.
    name: of the slice, such as 'v5e-1'.
    out: folder of the slice's json; rows that are in it are not compiled again,
      unless they failed.
  """
  kept = bench_cases.Kept(out / f'{name}.json', {'device': name})
  print(f'| {" | ".join(COLUMNS)} |\n{"|---" * len(COLUMNS)}|', flush=True)
  for case in cases:
    if 'error' in kept.rows.get(case.name, {'error': ''}):
      kept.add(row(case, name))
    print('|', ' | '.join(cells(kept.rows[case.name])), '|', flush=True)
