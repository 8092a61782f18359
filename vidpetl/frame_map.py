"""Evaluates detections in AVA's format: frame-mAP at 0.5 IoU, per class.

  python -m vidpetl.frame_map --ground_truth=ava_val_v2.2.csv \\
    --labelmap=ava_action_list_v2.2_for_activitynet_2019.pbtxt \\
    --excluded=ava_val_excluded_timestamps_v2.2.csv --detections=mine.csv

`vidpetl.metrics.frame_map` says what is counted.
"""

from __future__ import annotations

from absl import app, flags
from etils import epath, epy

from vidpetl import cli, mistakes
from vidpetl.metrics import columns

with epy.lazy_imports():
  from vidpetl.data.annotations import labelmap as labelmap_lib
  from vidpetl.metrics import (
    ava_csv,
    frame_map,
    frame_map_benchmark,
    frame_map_result,
    oddities,
  )

_FILES = ('ground_truth', 'detections', 'labelmap')


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('ground_truth', None, 'csv of annotations.')
  flags.DEFINE_string('detections', None, 'csv of scored boxes.')
  flags.DEFINE_string('labelmap', None, 'Names of the evaluated classes.')
  flags.DEFINE_string('excluded', None, 'csv of excluded timestamps.')
  flags.DEFINE_enum(
    'protocol',
    '2019',
    list(columns.PROTOCOLS),
    '2019 for AVA, 2020 for AVA-Kinetics, slowfast to compare with it.',
  )
  flags.DEFINE_string('json', None, 'Where to write the result as JSON.')
  flags.DEFINE_bool(
    'benchmark',
    False,
    "Times an evaluation of the size of AVA's validation set instead.",
  )


def evaluate(
  ground_truth: str,
  detections: str,
  labelmap: str,
  excluded: str | None = None,
  protocol: str = '2019',
) -> tuple[frame_map_result.Result, dict[int, str]]:
  """Evaluates files, having noted what is odd about them.

  Args:
    ground_truth: csv of annotations.
    detections: csv of scored boxes.
    labelmap: names of the evaluated classes.
    excluded: csv of excluded timestamps.
    protocol: a key of `columns.PROTOCOLS`.

  Returns:
    The result; the evaluated classes.

  Raises:
    OSError, ValueError: naming the file and the line that cannot be read.
  """
  rules = columns.PROTOCOLS[protocol]
  classes = labelmap_lib.read(labelmap)
  left_out = ava_csv.read_excluded(excluded, rules) if excluded else ()
  truth = ava_csv.read_ground_truth(ground_truth, rules)
  found = ava_csv.read_detections(detections, rules)
  for oddity in oddities.find(truth, found, ground_truth, detections):
    mistakes.note(oddity)
  return frame_map.evaluate(truth, found, classes, rules, left_out), classes


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  if args.benchmark:
    frame_map_benchmark.run(frame_map.evaluate)
    return
  for name in _FILES:
    if args[name].value is None:
      raise app.UsageError(f'--{name} is missing; see --help')
  result, classes = evaluate(
    *(args[name].value for name in _FILES), args.excluded, args.protocol
  )
  print(frame_map_result.table(result, classes))
  if args.json:
    frame_map_result.write_json(result, classes, epath.Path(args.json))


if __name__ == '__main__':
  cli.run(define_flags, main)
