"""What the outputs of a head mean, and how that is compared with the data."""

import numpy as np
import pytest

from vidpetl.experiment import labels

ABC = {0: 'a', 1: 'b', 2: 'c'}
NUMBERS = {0: '0', 1: '1', 2: '2'}


def compare(theirs, ours):
  return labels.compare(theirs, ours, 'own', 'weights.safetensors')


def test_the_same_labels_are_no_matter():
  assert compare(ABC, ABC) == labels.Match()
  spelled = {0: 'arm_wrestling', 1: 'B'}, {0: 'arm wrestling', 1: 'b'}
  assert compare(*spelled) == labels.Match()
  assert compare(ABC, {}) == labels.Match()


def test_labels_in_another_order_reorder_the_outputs():
  match = compare({0: 'c', 1: 'a', 2: 'b'}, ABC)
  assert match.order == (1, 2, 0) and 'another order' in match.note
  arrays = {
    'heads_own/output_projection/kernel': np.array([[30, 10, 20]]),
    'heads_own/output_projection/bias': np.array([3, 1, 2]),
    'heads_other/output_projection/bias': np.array([3, 1, 2]),
    'heads_own/norm/scale': np.array([3, 1, 2]),
  }
  put = labels.arrange(arrays, 'own', match.order)
  assert put['heads_own/output_projection/kernel'].tolist() == [[10, 20, 30]]
  assert put['heads_own/output_projection/bias'].tolist() == [1, 2, 3]
  assert put['heads_other/output_projection/bias'].tolist() == [3, 1, 2]
  assert put['heads_own/norm/scale'].tolist() == [3, 1, 2]


def test_outputs_without_a_name_stay_where_they_are():
  match = compare({1: 'b', 3: 'a'}, {1: 'a', 3: 'b'})
  assert match.order == (0, 3, 2, 1)


def test_other_labels_are_an_error_that_names_both():
  with pytest.raises(labels.OtherLabelsError) as error:
    compare(ABC, {0: 'a', 1: 'x_b', 2: 'c'})
  assert 'The head alone has 1 b; the data alone has 1 x_b' in str(error.value)
  with pytest.raises(labels.OtherLabelsError, match='the data has 2 classes'):
    compare(ABC, {0: 'a', 1: 'b'})


def test_numbers_are_indices_of_the_names_on_the_other_side():
  for theirs, ours in ((ABC, NUMBERS), (NUMBERS, ABC)):
    match = compare(theirs, ours)
    assert not match.order and 'by their numbers' in match.note
  with pytest.raises(labels.OtherLabelsError):
    compare(ABC, {0: '1', 1: '2', 2: '3'})


def test_numbers_may_be_padded():
  padded = {0: '00', 1: '01', 2: '02'}
  assert 'by their numbers' in compare(ABC, padded).note
  assert 'output 0' not in compare({}, padded).note


def test_unknown_labels_are_said():
  note = compare({}, ABC).note
  assert 'weights.safetensors does not say' in note and '0 a, 1 b, 2 c' in note
  assert 'output 0' not in note
  assert 'output 0 is not number 0' in compare({}, {0: '1', 1: '2'}).note
  assert 'output 0' not in compare({}, NUMBERS).note


@pytest.mark.parametrize('text', ['a\nb\n', '1: a\n2: b\n', '["a", "b"]'])
def test_files_of_names_count_from_0_or_1(tmp_path, text):
  (tmp_path / 'names.txt').write_text(text)
  assert labels.read(str(tmp_path / 'names.txt'), 2) == {0: 'a', 1: 'b'}
  with pytest.raises(ValueError, match=r'names.txt has 2 names.* 3 outputs'):
    labels.read(str(tmp_path / 'names.txt'), 3)
