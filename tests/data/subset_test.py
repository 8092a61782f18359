"""Parts of sources."""

import collections

import numpy as np
import pytest

from vidpetl.data import examples, kinds, sources, subset
from vidpetl.data.annotations.strings import Strings


def labelled(labels, num_classes, kind='classification', ids=None):
  """A source whose example i has the classes labels[i]."""
  ids = ids or [f'clip {i}' for i in range(len(labels))]
  info = examples.Info(
    'own', 'train', kind, num_classes, dict(enumerate('abcdefgh'[:num_classes]))
  )
  return kinds.load(kind).labelled(info, Strings(ids), labels, lambda i: ids[i])


def ids(source):
  return [source[i].id for i in range(len(source))]


MANY = labelled([[i % 3] for i in range(90)] + [[3]] * 4, 4)


def test_shots_are_so_many_of_each_class():
  part = subset.take(MANY, shots=5)
  assert collections.Counter(part.labels.tolist()) == {0: 5, 1: 5, 2: 5, 3: 4}
  assert part.info.classes == MANY.info.classes
  assert part.info.notes == (
    "19 of 94 examples of the split 'train' are used: shots=5, seed=0",
    'classes with fewer than shots=5 examples: d 4',
  )


def test_a_share_is_one_of_each_class():
  part = subset.take(MANY, share=0.1)
  assert collections.Counter(part.labels.tolist()) == {0: 3, 1: 3, 2: 3, 3: 1}


def test_examples_keep_their_videos_and_labels():
  part = subset.take(MANY, shots=5, seed=3)
  labels = {MANY[i].id: MANY[i].label for i in range(len(MANY))}
  for i in range(len(part)):
    assert part.video(i) == part[i].id
    assert part[i].label == labels[part[i].id]


def test_fewer_shots_are_among_more():
  few, more = (ids(subset.take(MANY, shots=n)) for n in (2, 5))
  assert set(few) < set(more)


def test_another_seed_draws_others():
  assert ids(subset.take(MANY, shots=5)) != ids(
    subset.take(MANY, shots=5, seed=1)
  )


def test_the_order_of_the_files_does_not_matter():
  names = [f'{c}/{i}' for c in 'ab' for i in range(9)]
  labels = ['ab'.index(name[0]) for name in names]
  there = labelled([[c] for c in labels], 2, ids=names)
  back = labelled([[c] for c in labels[::-1]], 2, ids=names[::-1])
  parts = [subset.take(source, shots=3) for source in (there, back)]
  assert set(ids(parts[0])) == set(ids(parts[1]))


def test_several_labels_count_for_each_of_their_classes():
  source = labelled([[0, 1], [0], [1], [2], [], [0, 2]] * 5, 3, 'multilabel')
  part = subset.take(source, shots=4)
  counts = np.bincount(part.shown()[1])
  assert (counts >= 4).all() and len(part) <= 12
  assert all(part[i].labels for i in range(len(part)))


def test_a_part_has_a_fingerprint_of_its_own():
  found = {subset.take(MANY, shots=n).info.fingerprint for n in (3, 4, None)}
  assert len(found) == 3


@pytest.mark.parametrize(
  'options, message',
  [
    ({'shots': 4, 'share': 0.5}, 'one of them'),
    ({'shots': 0}, 'shots=0'),
    ({'share': 0.0}, 'share=0.0'),
    ({'share': 1.5}, 'share=1.5'),
    ({'share': '0.5'}, "share='0.5'"),
    ({'shots': True}, 'shots=True'),
  ],
)
def test_what_is_no_part(options, message):
  with pytest.raises(ValueError, match=message):
    subset.take(MANY, **options)


def test_shots_need_classes():
  source = labelled([[]] * 5, 0, 'unlabelled')
  assert len(subset.take(source, share=0.5)) == 2
  with pytest.raises(ValueError, match='own has no classes'):
    subset.take(source, shots=2)


@pytest.mark.parametrize(
  'dataset, part',
  [
    ('kinetics400', {'share': 0.1}),
    ('ava', {'shots': 1}),
    ('ava', {'share': 0.3}),
    ('mtl_aqa', {'share': 0.5}),
  ],
)
def test_every_kind_has_parts(world, dataset, part):
  config = {
    'source': 'raw',
    'dataset': dataset,
    'raw': str(world[dataset]),
    'split': 'train',
  }
  whole = sources.open_source(config)
  some = sources.open_source(config | part)
  assert 0 < len(some) <= len(whole)
  rows = {whole[i].id: i for i in range(len(whole))}
  for i in range(len(some)):
    same = rows[some[i].id]
    assert some.video(i) == whole.video(same)
    assert repr(some[i]) == repr(whole[same])
  if 'shots' in part:
    _, classes = whole.shown()
    assert set(some.shown()[1]) == set(classes)
