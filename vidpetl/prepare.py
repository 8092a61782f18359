"""Turns raw videos and annotations into records.

    python -m vidpetl.prepare --dataset=ava --raw=/raw/ava --out=/records
    python -m vidpetl.prepare --dataset=jigsaws --task=suturing --fold=1 \\
      --raw=/raw/jigsaws --out=/records
    python -m vidpetl.prepare --source=folder --path=my_videos \\
      --name=my_clips --out=/records

Any dataset of `vidpetl.data.datasets` will do, or one's own videos: a folder of
class folders, a manifest, performances, or an AVA-style csv. What a dataset or
source takes is a flag: --task of jigsaws, --detections of ava, --path of a
folder; the docstring of its `open` says what it means. Where each split is a
file of its own, '{split}' stands for its name:

    python -m vidpetl.prepare --source=ava_csv --videos=my_videos \\
      --annotations=people_{split}.csv --labelmap=actions.txt \\
      --name=my_people --out=/records

Videos are made as small as a model of 224 pixels needs. For another, name its
config; then they are as large as its clips are cut from, here 512:

    python -m vidpetl.prepare --config=cofinetune_ava:resolution=512 \\
      --dataset=kinetics400 --raw=/raw/k400 --out=/records512

Cuts and re-encodes every video once, on all cores, packs the results with TFDS
into ArrayRecord, and writes an index with which they open at once. Then
`source='records', path='/records', dataset='ava'` reads them. Records are
called as the dataset, with its task and fold ('jigsaws_suturing_1'), or by
--name. They hold compressed video: Kinetics-400 takes about 0.15 TB, and while
it is packed up to three times that. Folders of frames are encoded as videos.

A run that was interrupted, however harshly, goes on where it was when the same
command is given again. Videos that are missing, empty, truncated or damaged are
left out and listed with reasons in <out>/<name>/report.json; they stop nothing
and change nobody's label.

On a cluster, `--beam_options=--runner=…,--…` does the transcoding on Apache
Beam (pip install apache-beam) in place of local processes.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm
from absl import flags, logging
from etils import epath

from vidpetl import cli, durable, lock, options, parts, sealed
from vidpetl.data import datasets, sources
from vidpetl.data import records as records_lib
from vidpetl.data.records import recipe as recipes
from vidpetl.data.records import staging
from vidpetl.recipes import crops, named


def prepare(
  recipe: recipes.Recipe,
  out: str,
  *,
  processes: int = 1,
  staged: str | None = None,
  beam_options: Sequence[str] | None = None,
) -> dict[str, Any]:
  """Prepares a dataset; see the module's docstring.

  Args:
    recipe: what to make, and of what.
    out: folder for the records, TFDS's data_dir.
    processes: how many videos to transcode at a time.
    staged: local folder for what is under way.
    beam_options: Apache Beam's pipeline options, to transcode there.

  Returns:
    The report, as it is written to '<out>/<name>/report.json'.

  Raises:
    ValueError: if `out` holds records of another recipe.
    FileNotFoundError: for a missing annotation file, or if all videos are.
    BlockingIOError: if another process is preparing the same.
  """
  if staged is None:
    if '://' in out:
      raise ValueError(f'out={out} is not local: give a local folder `staging`')
    staged = os.fspath(epath.Path(out) / recipe.name / 'staging')
  folder = epath.Path(out) / recipe.name
  if _is_finished(folder, recipe):
    report = sealed.read_json(folder / 'report.json')
    print(f'{recipe.name}: already prepared. {_summary(report, folder)}')
    return report
  recipe.open_all()  # what is wrong with it shows before anything is written
  begun = time.time()
  with lock.hold(folder), lock.hold(staged):
    if beam_options is None:
      _transcode(recipe, staged, processes)
    packed = _pack(recipe, out, staged, beam_options)
    report = _report(recipe, folder, packed, time.time() - begun)
    shutil.rmtree(staged)
  print(f'{recipe.name}: {_summary(report, folder)}')
  return report


def _is_finished(folder: epath.Path, recipe: recipes.Recipe) -> bool:
  """Returns whether the records are there.

  Raises:
    ValueError: if they are there, but by another recipe.
  """
  for metadata in folder.glob('*/metadata.json'):
    if metadata.parent.name.startswith('incomplete'):
      continue
    have = _flat(sealed.read_json(metadata)['settings'])
    want = _flat(json.loads(json.dumps(recipe.settings())))
    differ = [n for n in {**have, **want} if have.get(n) != want.get(n)]
    if differ:
      raise ValueError(
        f'{metadata.parent} was prepared otherwise: '
        + '; '.join(f'{n}={have.get(n)}, not {want.get(n)}' for n in differ)
        + '. Give the same options, another --out, or remove the folder'
      )
  return (folder / 'report.json').exists()


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
  """Returns nested settings with their own names; the inner ones count."""
  flat = {}
  for name, value in settings.items():
    flat |= value if isinstance(value, dict) else {name: value}
  return flat


def _transcode(recipe, staged, processes) -> None:
  """Stage 1: fills the staging folder."""
  stage = staging.Staging(staged, recipe.options)
  opened = recipe.open_all().values()
  total = sum(map(len, opened))
  with tqdm.tqdm(total=total, desc='transcoding', unit='video') as progress:

    def to_do():
      for source in opened:
        for i in range(len(source)):
          item = recipe.item(source, i)
          if stage.done(item):
            progress.update()
          else:
            yield item

    for _ in staging.run(stage, to_do(), processes):
      progress.update()


def _pack(recipe, out, staged, beam_options) -> dict[str, dict[str, Any]]:
  """Stages 2 and 3: writes records and index; returns what is in each split."""
  # Loaded when it is needed: spawned processes import this module too, and
  # need no TensorFlow.
  builder = parts.load(records_lib, 'builder', 'pack', 'records')
  return builder.pack(recipe, out, staged, beam_options)


def _report(recipe, folder, packed, seconds) -> dict[str, Any]:
  """Writes the report, with which the records are finished."""
  report = {
    'settings': recipe.settings(),
    'seconds': round(seconds, 1),
    'splits': {
      name: split
      | {'left_out': [dataclasses.asdict(one) for one in split['left_out']]}
      for name, split in packed.items()
    },
  }
  text = json.dumps(report, indent=1, ensure_ascii=False)
  durable.write(folder / 'report.json', text)
  return report


def _summary(report, folder) -> str:
  parts = [
    f'{name} {split["records"]} records, {split["bytes"] / 1e6:.1f} MB, '
    f'{len(split["left_out"])} left out'
    for name, split in report['splits'].items()
  ]
  return '; '.join(parts) + f'; {folder / "report.json"}'


def define_flags(values: flags.FlagValues) -> None:
  """Defines the command line's flags.

  A function, as other programs have flags of these names, and one process may
  import them all.

  Args:
    values: where.
  """
  text = functools.partial(flags.DEFINE_string, flag_values=values)
  whole = functools.partial(flags.DEFINE_integer, flag_values=values)
  real = functools.partial(flags.DEFINE_float, flag_values=values)
  several = functools.partial(flags.DEFINE_list, flag_values=values)
  text('dataset', None, 'A public dataset.')
  text('raw', None, 'Its folder, in the official layout.')
  text('source', None, 'In place of a dataset: folder, manifest, …')
  text('name', None, "Of the records; a public dataset's own if unset.")
  text('out', None, 'Where to write.', required=True)
  several('splits', [], 'Which; training and evaluation if unset.')
  whole('processes', os.cpu_count(), 'Videos to transcode at a time.')
  text('short_side', None, "Pixels, or 'keep'; 256, for keyframes 'keep'.")
  text('config', None, 'Of the run to come: no smaller than it needs them.')
  whole('gop', 30, 'Frames from keyframe to keyframe.')
  whole('crf', 20, 'Quality: 18 is visually lossless.')
  flags.DEFINE_boolean(
    'copy', False, 'Copy files not to be shrunk.', flag_values=values
  )
  real('window', None, 'Seconds kept on each side of a keyframe, 2.4.')
  text('staging', None, 'Local folder for work; below --out if unset.')
  several('beam_options', None, 'Transcode on Apache Beam, with these options.')


def recipe_of(
  values: flags.FlagValues, more: Sequence[str] = ()
) -> recipes.Recipe:
  """Returns the recipe that the command line describes.

  Args:
    values: the flags.
    more: '--name=value' of what the dataset or source takes.

  Raises:
    ValueError: for options that the dataset or source does not have, and for
      those it lacks.
  """
  source = _source(values)
  what = values.dataset or values.source
  given = options.parse(recipes.opener(source), _pairs(more), what)
  encoding = {name: values[name].value for name in ('gop', 'crf', 'copy')}
  if values.short_side is not None:
    encoding['short_side'] = _side(values.short_side)
  least = 0
  if values.config is not None:
    config = named.load(values.config)
    least = crops.source_side(config, values.dataset or values.name or '')
  return recipes.make(
    source | given,
    name=values.name or '',
    splits=values.splits,
    window=values.window,
    least=least,
    **encoding,
  )


def _source(values: flags.FlagValues) -> dict[str, Any]:
  """Returns the fields of the source that flags have.

  Raises:
    ValueError: unless there is either a dataset with its folder or a source.
  """
  if (values.dataset is None) == (values.source is None):
    raise ValueError(
      f'give either --dataset, one of {", ".join(datasets.names())}; or '
      f'--source, one of {", ".join(sources.names())}'
    )
  if values.dataset is None:
    source = {'source': values.source}
    sources.kind(source)  # names the sources there are, if it is none
    return source
  if values.raw is None:
    raise ValueError(f'--dataset={values.dataset} needs --raw, its folder')
  return {'source': 'raw', 'dataset': values.dataset, 'raw': values.raw}


def _pairs(more: Sequence[str]) -> dict[str, str]:
  """Returns what stands on both sides of the equals signs."""
  pairs = {}
  for argument in more:
    name, equals, value = argument.partition('=')
    if not name.startswith('--') or not equals:
      raise ValueError(f'{argument!r} is no --name=value')
    pairs[name.removeprefix('--')] = value
  return pairs


def _side(text: str) -> int | None:
  if text == 'keep':
    return None
  if not text.isdigit():
    raise ValueError(f"short_side={text!r} is neither pixels nor 'keep'")
  return int(text)


def parse(argv: Sequence[str]) -> list[str]:
  """Parses the flags; leaves what a dataset or source takes."""
  return flags.FLAGS(argv, known_only=True)


def main(argv: Sequence[str]) -> None:
  """Runs the command line."""
  logging.set_verbosity(logging.WARNING)
  values = flags.FLAGS
  prepare(
    recipe_of(values, argv[1:]),
    values.out,
    processes=values.processes,
    staged=values.staging,
    beam_options=values.beam_options,
  )


if __name__ == '__main__':
  cli.run(lambda: define_flags(flags.FLAGS), main, parse)
