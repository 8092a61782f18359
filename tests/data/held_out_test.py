"""What is held out of the training examples: by id, films whole."""

import numpy as np
import own_folders
import pytest

from vidpetl.data import examples, held_out, sources
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.classification import Classification


def of_films(films, labels):
  """Clips of films, three seconds each."""
  info = examples.Info('own', 'train', 'classification', 3, {})
  ids = Strings(f'{film}@{i}' for i, film in enumerate(films))
  return Classification(info, ids, np.array(labels), films.__getitem__)


def test_a_share_of_each_class_is_held_out(tmp_path):
  names = [f'train/{c}/{i}.mp4' for c in 'ab' for i in range(10)]
  own_folders.make(tmp_path, *names, 'val/a/x.mp4', 'val/b/x.mp4')
  whole = own_folders.open_folder(tmp_path, 'train')
  train, held = held_out.split(whole, 0.2)
  assert np.bincount(held.labels).tolist() == [2, 2]
  ids = [own_folders.ids_of(part) for part in (train, held)]
  assert sorted(ids[0] + ids[1]) == sorted(own_folders.ids_of(whole))
  assert train.info.fingerprint != whole.info.fingerprint
  assert held.info.split == 'train (held out)'
  assert 'held out: validation=0.2' in own_folders.notes(train)


def test_it_is_the_same_wherever_the_data_lie(tmp_path):
  found = []
  for root in ('here', 'there'):
    names = [f'train/a/{i}.mp4' for i in range(9)]
    own_folders.make(tmp_path / root, *names, 'val/a/x.mp4')
    whole = own_folders.open_folder(tmp_path / root, 'train')
    found.append(own_folders.ids_of(held_out.split(whole, 0.3)[1]))
  assert found[0] == found[1]


def test_clips_of_a_film_stay_together():
  films = [f'{i // 3}.mp4' for i in range(30)]
  source = of_films(films, [i % 2 for i in range(30)])
  train, held = held_out.split(source, 0.3)
  parts = [{i.partition('@')[0] for i in part.ids} for part in (train, held)]
  assert not parts[0] & parts[1] and all(parts)


def test_keyframes_of_a_film_stay_together(world):
  raw = {'source': 'raw', 'dataset': 'ava', 'raw': str(world['ava'])}
  source = sources.open_source({**raw, 'split': 'train', 'video_start': 900})
  train, held = held_out.split(source, 0.3)
  assert set(held.table.video_ids).isdisjoint(train.table.video_ids)


def test_a_part_without_examples_is_refused():
  source = of_films(['a.mp4', 'a.mp4'], [0, 1])
  with pytest.raises(ValueError, match=r'2 examples to train on.* 1 films'):
    held_out.split(source, 0.5)
  with pytest.raises(ValueError, match=r'config\.validation=1'):
    held_out.split(source, 1.0)
