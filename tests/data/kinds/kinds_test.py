"""What a kind of annotation promises, for every kind that there is."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from vidpetl import parts
from vidpetl.data import clip_spec, examples, kinds, samplers
from vidpetl.data.annotations import keyframes
from vidpetl.data.kinds import localisation

KINDS = parts.names(kinds, 'KIND')
SAMPLERS = parts.names(samplers, 'SAMPLER')


def test_the_folders_are_the_lists():
  assert KINDS == (
    'classification',
    'localisation',
    'multilabel',
    'quality',
    'unlabelled',
  )
  assert SAMPLERS == (
    'around',
    'pace',
    'pair',
    'segments',
    'spread',
    'stride',
    'tail',
    'vspp',
  )


def test_kinds_and_samplers_need_neither_jax_nor_tensorflow():
  code = (
    'import sys; from vidpetl import parts;'
    'from vidpetl.data import clip_spec, kinds, samplers;'
    'parts.names(kinds, "KIND"), parts.names(samplers, "SAMPLER");'
    'print([m for m in ("jax", "tensorflow", "av") if m in sys.modules])'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert done.stdout == '[]\n'


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('sampling', SAMPLERS)
def test_defaults_are_options_that_change_nothing(kind, sampling):
  options = clip_spec.defaults(sampling, kind)
  assert json.loads(json.dumps(options))['frames'] == 32
  try:
    spec = clip_spec.ClipSpec.of({'sampling': sampling}, kind)
  except ValueError:  # They do not go together.
    with pytest.raises(ValueError):
      clip_spec.ClipSpec.of(options, kind)
    return
  assert clip_spec.ClipSpec.of(options, kind) == spec
  assert hash(clip_spec.ClipSpec.of(options, kind)) == hash(spec)


def test_strides_of_boxes_are_around_their_moment():
  for options in ({}, {'sampling': 'stride'}, {'sampling': 'around'}):
    assert clip_spec.ClipSpec.of(options, 'localisation').sampling == 'around'


def test_options_of_others_are_told_from_unknown_ones():
  old = {'frames': 8, 'max_boxes': 4, 'shift': 0, 'exemplar': '', 'typo': 1}
  assert clip_spec.fitting(old, 'classification') == {'frames': 8, 'typo': 1}
  assert clip_spec.fitting(old, 'quality', 'tail') == {
    'frames': 8, 'shift': 0, 'exemplar': '', 'typo': 1, 'sampling': 'tail',
  }  # fmt: skip


def _source(kind):
  """A source of two examples, with columns of its own."""
  info = examples.Info('mine', 'val', kind, 3, {i: str(i) for i in range(3)})
  ids, video = localisation.Strings(['a', 'b']), 'ab'.__getitem__
  starts, ends = np.array([0.0, 1.0]), np.array([np.nan, 4.0])
  if kind == 'quality':
    quality = importlib.import_module('vidpetl.data.kinds.quality')
    return quality.Performances(
      info, ids, video, [3.5, 4.0], starts, ends,
      judge_scores=[[1, 2], [3, 4]], difficulties=[2.0, np.nan],
      actions=['107B', ''], steps=[[1.5, np.nan], [2.0, 3.0]],
    )  # fmt: skip
  if kind == 'localisation':
    return None  # Of files: see the tests of the builders.
  labels = {'multilabel': [[0, 2], []], 'unlabelled': [[], []]}
  labels = labels.get(kind, [[2], [0]])
  return kinds.load(kind).labelled(info, ids, labels, video, starts, ends)


def _keyframes():
  counts = {'truth': [2, 0], 'detected': [0, 1]}
  ragged = {
    name: keyframes.Ragged(
      np.cumsum([0, *n]),
      np.zeros((sum(n), 4)),
      np.zeros((sum(n), 1), np.uint8),
      np.zeros(sum(n)),
    )
    for name, n in counts.items()
  }
  both, text = np.zeros(2, bool), localisation.Strings(['1', '9'])
  table = keyframes.Keyframes(
    text, text, np.array([1.0, 9.0]), np.array([1.0, 9.0]), both, both,
    **ragged, num_classes=3,
  )  # fmt: skip
  info = examples.Info('mine', 'val', 'localisation', 3, {})
  return localisation.Localisation(info, table, 'ab'.__getitem__)


@pytest.mark.parametrize('name', KINDS)
def test_all_extents_at_once_are_those_of_each_example(name):
  kind, source = kinds.load(name), _source(name) or _keyframes()
  for i, row in enumerate(kind.extents(source).T):
    extent = kind.extent(source[i], np.inf)
    moment = np.nan if extent.moment is None else extent.moment
    np.testing.assert_array_equal(row, (extent.begin, extent.end, moment))


@pytest.mark.parametrize('name', [k for k in KINDS if k != 'localisation'])
def test_records_of_a_kind_say_what_its_source_says(name):
  kind, source = kinds.load(name), _source(name)
  rows, begins = [], []
  for i in range(len(source)):
    begin, _ = kind.cut(source[i], None)
    row = kind.row(source[i], begin)
    assert set(row) == {'id', *kind.fields(3)}
    # As TFDS gives it back.
    text = lambda v: v.encode() if isinstance(v, str) else v
    rows.append({key: text(value) for key, value in row.items()})
    begins.append(begin)
  flat = kind.columns(rows)
  assert kind.ids(flat) == {'a', 'b'}
  again = kind.source(source.info, flat, source.video)
  for i, begin in enumerate(begins):
    before, after = vars(source[i]), vars(again[i])
    for key in set(before) - {'start', 'end', 'steps'}:
      np.testing.assert_array_equal(after[key], before[key], key)
    if 'steps' in before:
      np.testing.assert_allclose(
        after['steps'], np.array(before['steps']) - begin
      )
    assert (after['start'], after['end']) == (0.0, None)


def test_labels_of_a_csv_are_not_of_every_kind():
  with pytest.raises(ValueError, match="kind='quality' is not for a csv"):
    kinds.load('quality').names('run')
