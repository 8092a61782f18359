"""Turns a raw dataset into records.

    python -m vidpetl.prepare --dataset=ava --raw=/raw/ava --out=/records

Cuts and re-encodes every video once, on all cores, packs the results with the
dataset's TFDS builder into ArrayRecord, and writes an index with which they
open at once; then `source='records', path='/records', dataset='ava'` reads
them. Records hold compressed video: Kinetics-400 takes about 0.15 TB, and while
it is packed up to three times that.

A run that was interrupted, however harshly, goes on where it was when the same
command is given again. Videos that are missing, empty, truncated or damaged are
left out and listed with reasons in <out>/<dataset>/report.json; they stop
nothing and change nobody's label.

On a cluster, `--beam_options=--runner=…,--…` does the transcoding on Apache
Beam (pip install apache-beam) in place of local processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import importlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tqdm
from absl import app, flags, logging
from etils import epath

from vidpetl import cli
from vidpetl.data import builders
from vidpetl.data.records import recipe as recipes
from vidpetl.data.records import staging


def prepare(
  recipe: recipes.Recipe,
  raw: str,
  out: str,
  *,
  processes: int = 1,
  staged: str | None = None,
  beam_options: Sequence[str] | None = None,
) -> dict[str, Any]:
  """Prepares a dataset; see the module's docstring.

  Args:
    recipe: what to make.
    raw: folder of the raw dataset.
    out: folder for the records, TFDS's data_dir.
    processes: how many videos to transcode at a time.
    staged: local folder for what is under way.
    beam_options: Apache Beam's pipeline options, to transcode there.

  Returns:
    The report, as it is written to '<out>/<dataset>/report.json'.

  Raises:
    ValueError: if `out` holds records of another recipe.
    FileNotFoundError: for a missing annotation file, or if all videos are.
    BlockingIOError: if another process is preparing the same.
  """
  if staged is None:
    if '://' in out:
      raise ValueError(f'out={out} is not local: give a local folder `staging`')
    staged = os.path.join(out, recipe.dataset, 'staging')
  folder = epath.Path(out) / recipe.dataset
  if _is_finished(folder, recipe):
    report = json.loads((folder / 'report.json').read_text())
    print(f'{recipe.dataset}: already prepared. {_summary(report, folder)}')
    return report
  begun = time.time()
  with _locked(staged):
    if beam_options is None:
      _transcode(recipe, raw, staged, processes)
    left_out = _pack(recipe, raw, out, staged, beam_options)
    report = _report(recipe, folder, left_out, time.time() - begun)
  shutil.rmtree(staged)
  print(f'{recipe.dataset}: {_summary(report, folder)}')
  return report


def _is_finished(folder: epath.Path, recipe: recipes.Recipe) -> bool:
  """Returns whether the records are there.

  Raises:
    ValueError: if they are there, but by another recipe.
  """
  for metadata in folder.glob('*/metadata.json'):
    if metadata.parent.name.startswith('incomplete'):
      continue
    have = _flat(json.loads(metadata.read_text())['settings'])
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
  """Returns nested settings with their own names, which are unique."""
  flat = {}
  for name, value in settings.items():
    flat |= value if isinstance(value, dict) else {name: value}
  return flat


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
  """Keeps a second process out of a folder, until this one ends or dies."""
  os.makedirs(folder, exist_ok=True)
  with open(os.path.join(folder, 'lock'), 'w') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise BlockingIOError(
        f'{folder}: another process is at work on it'
      ) from None
    yield


def _transcode(recipe, raw, staged, processes) -> None:
  """Stage 1: fills the staging folder."""
  stage = staging.Staging(staged, recipe.options)
  sources = [recipe.open(raw, split) for split in recipe.splits]
  total = sum(map(len, sources))
  with tqdm.tqdm(total=total, desc='transcoding', unit='video') as progress:

    def to_do():
      for source in sources:
        for i in range(len(source)):
          item = recipe.item(source, i)
          if stage.done(item):
            progress.update()
          else:
            yield item

    for _ in staging.run(stage, to_do(), processes):
      progress.update()


def _pack(recipe, raw, out, staged, beam_options) -> dict[str, list]:
  """Stages 2 and 3: writes records and index; returns what was left out."""
  # Imported here, by name, as spawned processes import this module too and
  # need no TensorFlow.
  tfds = importlib.import_module('tensorflow_datasets')
  records = importlib.import_module('vidpetl.data.records.records')
  module, name = builders.BUILDERS[recipe.dataset]
  module = importlib.import_module(f'vidpetl.data.builders.{module}')
  builder = getattr(module, name)(
    data_dir=out,
    recipe=recipe,
    staged=None if beam_options is not None else staged,
    beam=beam_options is not None,
  )
  for unfinished in builder.data_path.parent.glob('incomplete.*'):
    unfinished.rmtree()  # of a run that was killed; the lock is ours
  config = tfds.download.DownloadConfig(
    manual_dir=raw, beam_options=_pipeline_options(beam_options)
  )
  builder.download_and_prepare(download_dir=staged, download_config=config)
  return {
    split: records.read_dropped(builder.data_path, split)
    for split in recipe.splits
  }


def _pipeline_options(beam_options):
  if beam_options is None:
    return None
  pipeline = importlib.import_module('apache_beam.options.pipeline_options')
  return pipeline.PipelineOptions(flags=list(beam_options))


def _report(recipe, folder, left_out, seconds) -> dict[str, Any]:
  """Writes the report, with which the records are finished."""
  tfds = importlib.import_module('tensorflow_datasets')
  version = next(iter(folder.glob('*/dataset_info.json'))).parent
  splits = tfds.builder_from_directory(version).info.splits
  report = {
    'settings': recipe.settings(),
    'seconds': round(seconds, 1),
    'splits': {
      split: {
        'records': splits[split].num_examples,
        'bytes': splits[split].num_bytes,
        'left_out': [dataclasses.asdict(one) for one in left_out[split]],
      }
      for split in recipe.splits
    },
  }
  unfinished = folder / 'report.json.unfinished'
  unfinished.write_text(json.dumps(report, indent=1, ensure_ascii=False))
  unfinished.replace(folder / 'report.json')
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
  datasets = sorted(builders.BUILDERS)
  flags.DEFINE_enum(
    'dataset', None, datasets, 'Which.', required=True, flag_values=values
  )
  text('raw', None, 'Its folder, in the official layout.', required=True)
  text('out', None, 'Where to write.', required=True)
  several('splits', ['train', 'val'], 'Which splits.')
  whole('processes', os.cpu_count(), 'Videos to transcode at a time.')
  text('short_side', None, "Pixels, or 'keep'; 256, for AVA 'keep', if unset.")
  whole('gop', 30, 'Frames from keyframe to keyframe.')
  whole('crf', 20, 'Quality: 18 is visually lossless.')
  flags.DEFINE_boolean(
    'copy', False, 'Copy files not to be shrunk.', flag_values=values
  )
  real('window', None, 'AVA: seconds kept around a keyframe, 2.4 on each side.')
  real('video_start', None, 'AVA: when files begin: 900 (cuts) or 0 (films).')
  text('detections', None, "AVA: file of person boxes, or 'none'.")
  text('staging', None, 'Local folder for work; below --out if unset.')
  several('beam_options', None, 'Transcode on Apache Beam, with these options.')


def recipe_of(values: flags.FlagValues) -> recipes.Recipe:
  """Returns the recipe that the command line describes.

  Raises:
    ValueError: for options that the dataset does not have.
  """
  options = dataclasses.replace(
    recipes.default_options(values.dataset),
    gop=values.gop,
    crf=values.crf,
    copy=values.copy,
  )
  if values.short_side is not None:
    options = dataclasses.replace(options, short_side=_side(values.short_side))
  given = {
    name: values[name].value
    for name in ('detections', 'video_start', 'window')
    if values[name].value is not None
  }
  recipe = recipes.default(values.dataset)
  if given and recipe.window is None:
    raise ValueError(f'{values.dataset} takes no --{", --".join(given)}')
  return dataclasses.replace(
    recipe,
    options=options,
    window=given.pop('window', recipe.window),
    splits=tuple(values.splits),
    source=tuple(given.items()),
  )


def _side(text: str) -> int | None:
  if text == 'keep':
    return None
  if not text.isdigit():
    raise ValueError(f"short_side={text!r} is neither pixels nor 'keep'")
  return int(text)


def main(argv: Sequence[str]) -> None:
  """Runs the command line."""
  logging.set_verbosity(logging.WARNING)
  if len(argv) > 1:
    raise app.UsageError(f'unknown arguments: {" ".join(argv[1:])}')
  values = flags.FLAGS
  prepare(
    recipe_of(values),
    values.raw,
    values.out,
    processes=values.processes,
    staged=values.staging,
    beam_options=values.beam_options,
  )


if __name__ == '__main__':
  cli.run(lambda: define_flags(flags.FLAGS), main)
