"""The folder of datasets as a list."""

import pathlib
import subprocess
import sys

import pytest

from vidpetl.data import datasets

_ALL = [datasets.find(name) for name in datasets.names()]


def test_every_file_is_a_dataset():
  folder = pathlib.Path(datasets.__file__).parent
  files = {path.stem for path in folder.glob('*.py')} - {'__init__'}
  layouts = {one.layout for one in _ALL}
  documented = {
    name
    for name in files
    if sys.modules[f'vidpetl.data.datasets.{name}'].__doc__ in layouts
  }
  assert documented == files


@pytest.mark.parametrize('dataset', _ALL, ids=lambda one: one.name)
def test_a_record_says_all_that_is_needed(dataset):
  kinds = ('classification', 'localisation', 'multilabel', 'quality')
  assert dataset.kind in kinds
  assert (dataset.num_classes == 0) == (dataset.kind == 'quality')
  assert dataset.citation.startswith('@') and dataset.citation.endswith('}}')
  for name in ('title', 'description', 'layout', 'licence'):
    assert getattr(dataset, name), name
  for name in dataset.names:
    assert datasets.find(name) is dataset


def test_no_two_datasets_share_a_name():
  names = [name for one in _ALL for name in {*one.names, one.name}]
  assert len(set(names)) == len(names)


def test_where_left_and_right_matter():
  unmirrored = {one.name for one in _ALL if not one.mirrored}
  assert unmirrored == {'jester', 'something_something_v2', 'svhn_cropped'}


def test_an_unknown_dataset_is_named_with_those_there_are():
  with pytest.raises(ValueError, match="dataset='kinetics'; there are: ava, "):
    datasets.find('kinetics')


def test_looking_a_dataset_up_needs_neither_tensorflow_nor_jax():
  code = (
    'import sys; from vidpetl.data import datasets; '
    "assert datasets.find('kinetics400').num_classes == 400; "
    'assert not {"tensorflow", "tensorflow_datasets", "jax"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
