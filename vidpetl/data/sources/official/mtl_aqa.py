"""MTL-AQA, 1059 dives to train on and 353 to test.

    <raw>/info/final_annotations_dict_with_dive_number.pkl   CoRe's; or MUSDL's
          augmented_final_annotations_dict.pkl, or the first release's
          final_annotations_dict.pkl, which lack dive numbers
    <raw>/info/{train,test}_split_0.pkl
    <raw>/frames/NN_MM/*.jpg                 frames of each dive, as of MUSDL;
    <raw>/new_total_frames[_256s]/NN/*.jpg   or of each event, as of CoRe;
    <raw>/whole_videos_frames/NN/*.jpg       or of each event, or its video, as
    <raw>/whole_videos/NN.mp4                of the first release

NN and MM are the numbers of the event and of the dive in it, with two digits.
Start and end of a dive count the event's frames, whatever their rate; `frames`
and `videos` may be the name of an event's folders too. 'val' is the test list.
The action is the dive number.
"""

from __future__ import annotations

import os

from vidpetl.data import examples
from vidpetl.data.annotations import mtl_aqa, pickled, text
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources.official import classification, quality

DATASETS = ('mtl_aqa',)

_ANNOTATIONS = (
  'final_annotations_dict_with_dive_number.pkl',
  'augmented_final_annotations_dict.pkl',
  'final_annotations_dict.pkl',
)
_EVENTS = (
  *('frames', 'new_total_frames', 'new_total_frames_256s'),
  *('whole_videos_frames', 'whole_videos', 'videos'),
)


def open(dataset: str, raw: str, split: str) -> Performances:
  """Opens a split; see the module's docstring for the layout."""
  classification.check_split(split)
  info = os.path.join(raw, 'info')
  paths = [os.path.join(info, name) for name in _ANNOTATIONS]
  path = next(filter(os.path.isfile, paths), paths[0])
  dives = mtl_aqa.read(text.require(path, "MTL-AQA's annotations"))
  lists = tuple(
    text.require(os.path.join(info, f'{name}_split_0.pkl'), 'a list of dives')
    for name in ('train', 'test')
  )
  keys = [pickled.read_split(path, dives) for path in lists]
  pickled.require_apart(lists, *keys)
  finder = _Finder(raw)
  found = [finder.find(key, dives[key]) for key in keys[split == 'val']]
  performances, places = zip(*found)
  return quality.assemble(
    name=dataset,
    split=split,
    fps=None,
    performances=performances,
    places=places,
    folder=raw,
  )


class _Finder:
  """Where dives lie, and when in their files they begin and end."""

  def __init__(self, raw: str):
    self._raw = raw
    self._dives = quality.Clips(os.path.join(raw, 'frames'))
    self._events = quality.Clips(*(os.path.join(raw, n) for n in _EVENTS))
    self._rates = quality.FrameRates()

  def find(
    self, key: tuple[int, int], dive: mtl_aqa.Dive
  ) -> tuple[Performance, quality.Place]:
    """Returns a dive in seconds, and its video."""
    name = f'{key[0]:02d}_{key[1]:02d}'
    start, end = 0.0, None
    path = self._dives.get(name)
    if path is None:
      path = self._events.get(f'{key[0]:02d}')
      rate = 'not found below this folder'
      if path is not None:
        rate = self._rates.get(path)
      if isinstance(rate, str):
        path = examples.Dropped(name, path or self._raw, rate)
      else:
        start, end = dive.start_frame / rate, dive.end_frame / rate
    performance = Performance(
      id=name,
      score=dive.score,
      start=start,
      end=end,
      judge_scores=dive.judge_scores,
      difficulty=dive.difficulty,
      action=dive.number,
    )
    return performance, path
