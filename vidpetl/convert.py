"""Published weights in, and trained ones out.

  python -m vidpetl.convert --from=FAMILY FILE OUT.safetensors
  python -m vidpetl.convert --into=FAMILY RUN OUT
  python -m vidpetl.convert --show FILE

The first reads a published file and writes one that config.init.path takes; the
second writes a run, an adapter package or such a file under the names of the
family's own code, for transformers as a folder that from_pretrained takes. Both
say what became of every array, in OUT.report.txt as well, and write nothing if
there is one that nobody has named. The third shows what is in a file and which
families fit it. FILE may be a folder or an index, too. No network is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import cli, durable
from vidpetl.weights import family as family_lib

with epy.lazy_imports():
  import jax

  from vidpetl.experiment import handover, published
  from vidpetl.experiment import labels as labels_lib
  from vidpetl.exporting import families
  from vidpetl.parameters import storage
  from vidpetl.weights import (
    errors,
    importing,
    positions,
    settings,
    showing,
  )
  from vidpetl.weights import report as report_lib


def define_flags() -> None:
  """Defines the command line."""
  known = ', '.join(family_lib.names())
  flags.DEFINE_string('from', None, f'Family of FILE: {known}.')
  flags.DEFINE_string('into', None, 'Family whose names are to be written.')
  flags.DEFINE_bool('show', False, 'Shows what is in FILE, and its family.')
  flags.DEFINE_string('head', '', 'Task whose head the classifier is.')
  flags.DEFINE_string(
    'labels', '', 'File of names, what the outputs of that head mean.'
  )
  flags.DEFINE_string(
    'to', '', "Backbone that the weights are for, if not the family's first."
  )
  flags.DEFINE_string(
    'entry', '', "Part of FILE to look into, 'a/b' or 'a/b.c'."
  )
  flags.DEFINE_list(
    'grid', [], 't,h,w: tokens that tables of positions are for, if unknown.'
  )
  flags.DEFINE_string(
    'backbone', '', '--into: what a package was made on, a file or a run.'
  )
  flags.DEFINE_string(
    'base', '', '--from: converted file of the backbone that FILE is without.'
  )
  flags.DEFINE_multi_string(
    'allow', [], 'Regex of names in FILE that may be missing or left over.'
  )
  flags.DEFINE_string(
    'preset', '', '--from: published backbone that says what FILE does not.'
  )
  flags.DEFINE_multi_string(
    'set', [], 'NAME=VALUE of what FILE does not show, such as heads=12.'
  )


def import_file(
  name: str,
  path: str,
  out: str,
  labels: str = '',
  preset: str = '',
  **options,
) -> report_lib.Report:
  """Writes a published file as one of ours; see `importing.load`.

  Args:
    name: of the family.
    path: of the file.
    out: to write.
    labels: file of what the outputs of its head mean, '' if there is none.
    preset: published backbone whose settings hold where others are not told.
    **options: of `importing.load`.
  """
  if preset:
    told = published.preset_settings(preset)
    options['settings'] = told | (options.get('settings') or {})
  try:
    imported = importing.load(name, path, **options)
  except errors.UnsaidError as error:
    known = published.presets_for(error.width, name)
    flags_ = ' or '.join(f'--preset={each}' for each in known)
    more = f'; or the backbone that it is, {flags_}' if known else ''
    raise errors.UnsaidError(f'{error}{more}', error.width) from None
  if labels:
    imported.labels = _labels(labels, imported.arrays, options.get('head', ''))
  described = published.describe(name, path, imported)
  imported.report.notes.append(f'for config.backbone = {described["backbone"]}')
  imported.report.notes += filter(None, [described['note']])
  imported.report.notes += [
    f'its head reads tokens: config.tasks.{task}.probe = {probe}'
    for task, probe in described['probes'].items()
  ]
  if any(map(positions.is_table, imported.arrays)):
    imported.report.notes.append(
      f'tables of positions for {described["grid"]} tokens (t, h, w)'
    )
  storage.save_arrays(out, imported.arrays, published.to_metadata(described))
  return imported.report


def _labels(path: str, arrays: importing.Arrays, head: str) -> dict[int, str]:
  if not head:
    raise ValueError('--labels says what a head means: give --head as well.')
  return labels_lib.read(path, labels_lib.outputs(arrays, head))


def export_run(
  name: str,
  path: str,
  out: str,
  head: str,
  backbone: str = '',
  grid: Sequence[int] = (),
) -> report_lib.Report:
  """Writes a model under a family's names; see `families.export`.

  Args:
    name: of the family.
    path: of a run, a package or a file; see `handover.read`.
    out: a folder for transformers' from_pretrained, or a file of arrays alone.
    head: task whose head is the classifier, '' to leave it out.
    backbone: what a package was made on.
    grid: (t, h, w) of its clips' tokens.
  """
  source = handover.read(path, head, backbone, grid)
  return families.export(name, source, out, head)


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  family = args['from'].value
  if args.show:
    _show(argv[1:], args)
    return
  if len(argv) != 3 or bool(family) == bool(args.into):
    raise app.UsageError(
      '--from=FAMILY FILE OUT, --into=FAMILY RUN OUT, or --show FILE. '
      'Families: ' + ', '.join(family_lib.names())
    )
  logging.set_verbosity(logging.ERROR)
  # Weights are not computed with here.
  jax.config.update('jax_platforms', 'cpu')
  path, out = argv[1:]
  if family:
    report = import_file(
      family,
      path,
      out,
      target=args.to,
      head=args.head,
      labels=args.labels,
      entry=args.entry,
      grid=_sizes(args.grid),
      allow=args.allow,
      base=args.base,
      preset=args.preset,
      settings=settings.parse(args['set'].value),
    )
  else:
    report = export_run(
      args.into, path, out, args.head, args.backbone, _sizes(args.grid)
    )
  whole = epath.Path(out).with_suffix('.report.txt')
  durable.write(whole, report.whole() + '\n')
  print(report.short())
  print(f'Wrote {out}; every array is in {whole}.')


def _show(paths: list[str], args: Any) -> None:
  if len(paths) != 1 or args['from'].value or args.into:
    raise app.UsageError('--show takes one FILE, and neither --from nor --into')
  print(showing.describe(paths[0], args.entry))


def _sizes(texts: list[str]) -> list[int]:
  if not all(text.isdigit() for text in texts):
    raise ValueError(f'--grid is t,h,w, such as 16,14,14, not {texts}')
  return list(map(int, texts))


if __name__ == '__main__':
  cli.run(define_flags, main)
