"""FineDiving: dives with the beginnings of their steps.

    <raw>/Annotations/{fine-grained_annotation_aqa,train_split,test_split}.pkl
    <raw>/FINADiving_MTL_256s/<video>/<instance>/*.jpg    frames of each dive;
    <raw>/FINADiving_MTL_256s/<video>/<instance>.mp4      or its video

The pickles may lie in <raw>, and the frames in `FineDiving`, or in either
folder below `Trimmed_Video_Frames`. 'val' is the test list. The action is the
dive number; the steps are when the second and the last begin.
"""

from __future__ import annotations

import os

from vidpetl.data import examples
from vidpetl.data.annotations import finediving, pickled, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources.official import classification, quality

DATASETS = ('finediving',)

_FRAMES = tuple(
  os.path.join(above, folder)
  for above in ('', 'Trimmed_Video_Frames')
  for folder in ('FINADiving_MTL_256s', 'FineDiving')
)


def open(dataset: str, raw: str, split: str) -> Performances:
  """Opens a split; see the module's docstring for the layout."""
  classification.check_split(split)
  path = _pickle(raw, 'fine-grained_annotation_aqa.pkl')
  dives = finediving.read(path)
  lists = tuple(_pickle(raw, f'{n}_split.pkl') for n in ('train', 'test'))
  keys = [pickled.read_split(path, dives) for path in lists]
  pickled.require_apart(lists, *keys)
  clips = quality.Clips(*(os.path.join(raw, folder) for folder in _FRAMES))
  rates = quality.FrameRates()
  found = [
    _find(clips, rates, raw, key, dives[key]) for key in keys[split == 'val']
  ]
  performances, places = zip(*found)
  return quality.assemble(
    name=dataset,
    split=split,
    fps=None,
    performances=performances,
    places=places,
    folder=raw,
  )


def _find(
  clips: quality.Clips,
  rates: quality.FrameRates,
  raw: str,
  key: tuple[str, int],
  dive: finediving.Dive,
) -> tuple[Performance, quality.Place]:
  """Returns a dive with its steps in seconds, and its video."""
  name = f'{key[0]}/{key[1]}'
  place = clips.get(name) or quality.missing(name, raw)
  steps = (float('nan'),) * len(dive.transitions)
  if isinstance(place, str):
    rate = rates.get(place)
    if isinstance(rate, str):
      place = examples.Dropped(name, place, rate)
    else:
      steps = tuple(frame / rate for frame in dive.transitions)
  performance = Performance(
    id=name,
    score=dive.score,
    difficulty=dive.difficulty,
    action=dive.number,
    steps=steps,
  )
  return performance, place


def _pickle(raw: str, name: str) -> str:
  below = os.path.join(raw, 'Annotations', name)
  here = os.path.join(raw, name)
  path = here if os.path.isfile(here) else below
  return text.require(path, "one of FineDiving's pickles")
