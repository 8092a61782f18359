"""Lists the published backbones: sizes, clips, licences, where they are.

  python -m vidpetl.catalogue [WORD…] [--json=FILE]

Without a word it lists all presets, with words those whose name or title has
one of them. A preset's whole name shows all that is known of it: the files and
where they are published, the commands that convert them and train from them,
its clip and pixels, and what its authors print.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from absl import app, flags
from etils import epy

from vidpetl import cli, durable, tables
from vidpetl.recipes import catalogue, presets

with epy.lazy_imports():
  from vidpetl.studies import sizes

_MEGA, _GIGA = 1e6, 1e9
_HEADER = (
  *('backbone', 'what it is', 'M parameters', 'GMACs', 'frames x stride, side'),
  *('licence', 'frozen probe'),
)


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('json', None, 'Where to write all of it as JSON.')


def main(argv: list[str]) -> None:
  """Runs the command line."""
  words = argv[1:]
  if any(not word.strip() for word in words):
    raise app.UsageError('An empty word is no backbone.')
  names = catalogue.chosen(words)
  whole = bool(words) and all(word in presets.all_presets() for word in words)
  found = [_entry(name, measure=whole) for name in names]
  print('\n\n'.join(map(in_full, found)) if whole else listed(found))
  path = flags.FLAGS.json
  if path:
    durable.write(path, json.dumps(found, indent=2) + '\n')


def _entry(name: str, measure: bool) -> dict[str, Any]:
  found = catalogue.entry(name)
  if measure and found['parameters'] is None:
    return catalogue.entry(name, sizes.measure(presets.find(name)))
  return found


def listed(found: Sequence[dict[str, Any]]) -> str:
  """Returns a table of entries."""
  rows = [
    (
      each['name'],
      each['title'],
      catalogue.count(each['parameters'], _MEGA),
      catalogue.count(each['macs'], _GIGA),
      catalogue.clip_in_words(each['clip']),
      each['licence'].partition(';')[0],
      catalogue.probes_in_words(each) or '-',
    )
    for each in found
  ]
  return tables.columns([_HEADER, *rows], '<<>><<<') + (
    '\n\nGMACs are 10^9 multiply-adds of one clip of so many frames, which are '
    'squares of so many\npixels. `vidpetl backbones NAME` shows one in full.'
  )


def in_full(found: dict[str, Any]) -> str:
  """Returns all of an entry."""
  facts = _facts(found)
  width = max(map(len, facts)) + 2
  lines = [
    textwrap.fill(
      f'{label:{width}}{text}',
      79,
      subsequent_indent=' ' * width,
      break_long_words=False,
      break_on_hyphens=False,
    )
    for label, text in facts.items()
  ]
  commands = [f'  {found[step]}' for step in ('convert', 'train')]
  return '\n'.join([f'{found["name"]}: {found["title"]}', *lines, *commands])


def _facts(found: dict[str, Any]) -> dict[str, str]:
  printed, pixels = found['published'], found['pixels']
  mean, std = (_numbers(pixels[part]) for part in ('mean', 'std'))
  fields = (f'{field}={value}' for field, value in found['backbone'].items())
  size, cost = (
    catalogue.count(found[part], unit)
    for part, unit in (('parameters', _MEGA), ('macs', _GIGA))
  )
  return {
    'parameters': f'{size} M{_printed(printed["parameters_millions"])}',
    'cost of a clip': f'{cost} GMACs{_printed(printed["gmacs"])}',
    'clip': _clip(found['clip']),
    'pixels': f'mean {mean}, std {std}',
    'licence': found['licence'],
    'published at': printed['at'],
    'files': ', '.join(printed['files']),
    'frozen probe': catalogue.probes_in_words(found) or '-',
    'numbers from': printed['numbers_from'] or '-',
    'config.backbone': ', '.join(fields),
  }


def _printed(value: float | None) -> str:
  return '' if value is None else f'; its authors print {value:,g}'


def _clip(clip: dict[str, Any]) -> str:
  way = clip.get('interpolation', 'bilinear')
  return (
    f'{clip["frames"]} frames, stride {clip["stride"]}, {clip["resolution"]} '
    f'pixels, {clip.get("resize", "crop")}, {way}'
  )


def _numbers(values: Sequence[float]) -> str:
  return ', '.join(f'{value:.4g}' for value in values)


if __name__ == '__main__':
  cli.run(define_flags, main)
