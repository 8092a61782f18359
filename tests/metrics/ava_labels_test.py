"""Label maps and AVA's groups of classes."""

import pytest

from vidpetl.metrics import ava_labels


def test_both_published_forms(tmp_path):
  path = tmp_path / 'map.pbtxt'
  path.write_text(
    'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n'
    'label { name: "walk" label_id: 14 label_type: PERSON_MOVEMENT }\n'
  )
  assert ava_labels.read_label_map(path) == {
    1: 'bend/bow (at the waist)',
    14: 'walk',
  }


@pytest.mark.parametrize(
  'text, message',
  [
    ('\nitem {\n  name: "a"\n}\n', r':2: .*needs a name and an id'),
    ('item { name: "a" id: 0 }', r':1: class ids begin at 1'),
    (
      'item { name: "a" id: 1 }\nitem { name: "b" id: 1 }',
      r':2: .*already "a"',
    ),
    ('stand\nsit\n', r'no entries'),
  ],
)
def test_errors_name_file_and_line(tmp_path, text, message):
  path = tmp_path / 'map.pbtxt'
  path.write_text(text)
  with pytest.raises(ValueError, match=r'map\.pbtxt:.*' + message.lstrip(':')):
    ava_labels.read_label_map(path)


def test_groups_partition_sixty_classes():
  sizes = [len(ids) for ids in ava_labels.GROUPS.values()]
  assert sizes == [8, 23, 29]
  ids = {i for group in ava_labels.GROUPS.values() for i in group}
  assert len(ids) == 60 and max(ids) == 80
  assert ava_labels.groups(ids) == ava_labels.GROUPS
  assert ava_labels.groups({1, 2, 3}) == {}
