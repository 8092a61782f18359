"""AVA v2.2 and AVA-Kinetics.

    <raw>/annotations/ava_{train,val}_v2.2.csv
    <raw>/annotations/ava_{train,val}_excluded_timestamps_v2.2.csv
    <raw>/annotations/ava_action_list_v2.2_for_activitynet_2019.pbtxt
    <raw>/person_boxes/ava_{train,val}_predicted_boxes.csv
    <raw>/…/<video id>.{mp4,mkv,webm,…}          anywhere below <raw>
    <raw>/…/<video id>/<video id>_000001.jpg     or the film's frames

and for AVA-Kinetics in addition

    <raw>/annotations/kinetics_{train,val}_v1.0.csv
    <raw>/person_boxes/kinetics_{train,val}_predicted_boxes.csv
    <raw>/…/{youtube id}_{start:06d}_{end:06d}.mp4

Training takes the annotated keyframes without the excluded ones, evaluation
all that are annotated or have detections (a person on an otherwise empty
keyframe is a false positive), with the excluded ones flagged.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence

from etils import epath

from vidpetl import ranges
from vidpetl.data import dataset as dataset_lib
from vidpetl.data.annotations import ava as rows
from vidpetl.data.annotations import boxes as columns
from vidpetl.data.annotations import keyframes, labelmap, text
from vidpetl.data.kinds.localisation import Localisation
from vidpetl.data.sources import localisation, videos

NUM_CLASSES = 80  # ids of AVA v2.2; its evaluation looks at 60 of them
FPS = 30.0  # at which the public code bases extract AVA's frames
_LABELMAP = 'ava_action_list_v2.2_for_activitynet_2019.pbtxt'


def open_split(
  dataset: str,
  raw: str,
  split: str,
  video_start: ranges.Number = 900.0,
  detections: str | Sequence[str] | None = None,
  match_iou: ranges.Part = 0.9,
  degenerate_boxes: rows.Degenerate = 'error',
  boxes: rows.Outside = 'rounding',
  fps: ranges.Positive | None = None,
) -> Localisation:
  """Opens a split; see the module's docstring for the layout.

  Args:
    dataset: 'ava' or 'ava_kinetics'.
    raw: folder.
    split: 'train' or 'val'.
    video_start: second of the film at which the video files begin: 900 for the
      usual cuts (`-ss 900 -t 901`), 0 for whole films.
    detections: person boxes: a file or several (LFB's or SlowFast's csv,
      mmaction2's pkl); None is the files in `person_boxes`; 'none' does
      without: ground-truth boxes take the detections' place, with score 1, and
      `info.name` says so.
    match_iou: detections without a label inherit the actions of a ground-truth
      box that they overlap this much.
    degenerate_boxes: 'error', or 'drop' for detections without area.
    boxes: what becomes of boxes that leave the frame: 'rounding' cuts those
      that leave it by up to 0.005 of its width or height, 'clip' by up to 0.1,
      as detectors' do, and 'error' none. How many are cut is noted.
    fps: of folders of frames, where films were taken apart; 30 by default.

  Returns:
    The source, by video and time.

  Raises:
    FileNotFoundError: for a missing annotation file, or if all videos are.
    ValueError: if the videos cannot begin at `video_start`.
  """
  parts = ['ava'] + ['kinetics'] * (dataset == 'ava_kinetics')
  truth = _truth(raw, split, parts, boxes)
  persons = _persons(raw, split, parts, detections, degenerate_boxes, boxes)
  table = keyframes.join(
    truth,
    persons,
    _excluded(raw, split),
    num_classes=NUM_CLASSES,
    match_iou=match_iou,
    all_detected=split == 'val',
  )
  return localisation.assemble(
    table,
    _finder(raw, video_start),
    name=dataset,
    split=split,
    fps=FPS,
    classes=_classes(raw),
    ground_truth_boxes=persons is None,
    folder=raw,
    frame_rate=fps,
  )


def _annotation(raw, name, what):
  return text.require(epath.Path(raw) / 'annotations' / name, what)


def _truth(raw, split, parts, outside) -> columns.Boxes:
  version = {'ava': 'v2.2', 'kinetics': 'v1.0'}
  names = [f'{part}_{split}_{version[part]}.csv' for part in parts]
  what = f'the {split} ground truth'
  paths = [_annotation(raw, name, what) for name in names]
  return columns.concatenate(
    [rows.read_ground_truth(p, NUM_CLASSES, outside=outside) for p in paths]
  )


def _persons(raw, split, parts, detections, degenerate, outside):
  if detections is None:
    folder = epath.Path(raw) / 'person_boxes'
    detections = [
      folder / f'{part}_{split}_predicted_boxes.csv' for part in parts
    ]
  return localisation.read_persons(detections, NUM_CLASSES, degenerate, outside)


def _excluded(raw, split):
  name = f'ava_{split}_excluded_timestamps_v2.2.csv'
  return rows.read_excluded(_annotation(raw, name, 'the excluded timestamps'))


def _classes(raw) -> dict[int, str]:
  path = _annotation(raw, _LABELMAP, "AVA's label map")
  return {number - 1: name for number, name in labelmap.read(path).items()}


def clip_interval(stem: str) -> tuple[str, int, int] | None:
  """Parses a Kinetics clip's file name, '{id}_{start:06d}_{end:06d}'."""
  match = re.fullmatch(r'(.+)_(\d{6})_(\d{6})', stem)
  return match and (match[1], int(match[2]), int(match[3]))


def _finder(raw, video_start):
  """Returns (video id, seconds) -> (path or None, second at its beginning)."""
  files = videos.Finder(raw)
  clips = collections.defaultdict(list)
  for stem in files:
    interval = clip_interval(stem)
    if interval:
      clips[interval[0]].append((interval[1], interval[2], stem))

  def find(name, seconds):
    cover = [c for c in clips.get(name, ()) if c[0] <= seconds <= c[1]]
    if cover:
      start, _, stem = min(cover)
      return files.get(stem), start
    return files.get(name), video_start

  return find


_LICENCE = (
  'Annotations: CC BY 4.0 (https://research.google.com/ava/download.html); '
  "the videos are their uploaders' on YouTube."
)

DATASETS = (
  dataset_lib.Dataset(
    name='ava',
    kind='localisation',
    title='AVA v2.2',
    description=(
      'AVA v2.2: 80 atomic actions of people at one keyframe per second.'
    ),
    layout=__doc__,
    citation="""@inproceedings{gu2018ava,
  title={{AVA}: A Video Dataset of Spatio-temporally Localized Atomic Visual
    Actions},
  author={Gu, Chunhui and others},
  booktitle={CVPR},
  year={2018}}""",
    licence=_LICENCE,
    open=open_split,
    num_classes=NUM_CLASSES,
    fps=FPS,
    demo_classes=NUM_CLASSES,  # the ids of AVA; what nobody does is never true
  ),
  dataset_lib.Dataset(
    name='ava_kinetics',
    kind='localisation',
    title='AVA-Kinetics',
    description='AVA v2.2 and the Kinetics clips annotated like it.',
    layout=__doc__,
    citation="""@article{li2020ava,
  title={The {AVA-Kinetics} Localized Human Actions Video Dataset},
  author={Li, Ang and others},
  journal={arXiv:2005.00214},
  year={2020}}""",
    licence=_LICENCE,
    open=open_split,
    num_classes=NUM_CLASSES,
    fps=FPS,
  ),
)
