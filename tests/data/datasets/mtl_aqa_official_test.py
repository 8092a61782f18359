"""MTL-AQA's official annotations: as many dives, with their one-offs, drawn."""

import pickle
import shutil

import experiments
import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.data.sources import gallery
from vidpetl.training import loop

_EVENTS, _TRAIN, _TEST = 15, 1059, 353
# The official ones are 23 from 1.5 to 4.1.
_DIFFICULTIES = np.round(np.linspace(1.9, 4.0, 21), 1)
# Rows of the training list whose difficulty no other dive has.
_ALONE = {7: 1.5, 500: 4.1}


def _dive(rng, difficulty):
  judged = rng.integers(8, 21, 7) / 2
  middle = np.sort(judged)[2:5].sum()
  return {
    'primary_view': 0,
    'start_frame': np.int64(0),
    'end_frame': np.int64(30),
    'difficulty': float(difficulty),
    'final_score': round(float(middle * difficulty), 2),
    'judge_scores': judged,
    'dive_number': f'{rng.integers(101, 158)}B',
  }


@pytest.fixture(scope='module')
def raw(tmp_path_factory, write_video):
  """A folder in the official layout; all events are one short film."""
  folder = tmp_path_factory.mktemp('mtl_aqa')
  rng = np.random.default_rng(0)
  keys = [(1 + i % _EVENTS, 1 + i // _EVENTS) for i in range(_TRAIN + _TEST)]
  dives = {
    key: _dive(rng, _ALONE.get(i, _DIFFICULTIES[i % len(_DIFFICULTIES)]))
    for i, key in enumerate(keys)
  }
  names = {
    'final_annotations_dict_with_dive_number.pkl': dives,
    'train_split_0.pkl': keys[:_TRAIN],
    'test_split_0.pkl': keys[_TRAIN:],
  }
  (folder / 'info').mkdir()
  for name, value in names.items():
    (folder / 'info' / name).write_bytes(pickle.dumps(value, protocol=3))
  videos = folder / 'whole_videos'
  videos.mkdir()
  write_video(videos / '01.mp4', frames=30)
  for event in range(2, _EVENTS + 1):
    shutil.copy(videos / '01.mp4', videos / f'{event:02d}.mp4')
  return folder


def _open(raw, split):
  return sources.open_source(
    {'source': 'raw', 'dataset': 'mtl_aqa', 'raw': str(raw), 'split': split}
  )


def test_the_splits_are_as_long_as_the_official_ones(raw):
  train, test = _open(raw, 'train'), _open(raw, 'val')
  assert (len(train), len(test)) == (_TRAIN, _TEST)
  difficulties = train.info.table['difficulties']
  assert len(np.unique(difficulties)) == 23
  assert train.partners(7, 'difficulty').tolist() == [7]
  assert 7 not in train.partners(8, 'difficulty')
  # A test dive is compared with training dives alone.
  found = gallery.Gallery(test, train, 'difficulty', 10, 0)
  assert {len(found.voters(i)) for i in range(_TEST)} == {10}
  assert all(found.voters(i).min() >= _TEST for i in range(_TEST))


def test_core_trains_on_it_and_names_who_is_compared_with_himself(
  raw, tmp_path
):
  config = experiments.load_config('pecop_aqa', 'head=core,backbone=vit')
  config = experiments.shrink(config, {'mtl_aqa': raw})
  with pytest.warns(mistakes.Note) as noted:
    results = loop.run(config, str(tmp_path))
  said = [
    str(note.message) for note in noted if 'exemplar' in str(note.message)
  ]
  assert said == [
    "config.tasks.mtl_aqa.clip.exemplar='difficulty': 2 of 1059 training "
    'examples have one of their own and are compared with themselves: 08_01 of '
    'mtl_aqa/train (1.5), 06_34 of mtl_aqa/train (4.1).'
  ]
  assert results['tasks']['mtl_aqa']['examples'] == _TEST
  assert results['step'] == 2
