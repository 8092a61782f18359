"""AVA's groups of classes."""

from vidpetl.metrics import ava_labels


def test_groups_partition_sixty_classes():
  sizes = [len(ids) for ids in ava_labels.GROUPS.values()]
  assert sizes == [8, 23, 29]
  ids = {i for group in ava_labels.GROUPS.values() for i in group}
  assert len(ids) == 60 and max(ids) == 80
  assert ava_labels.groups(ids) == ava_labels.GROUPS
  assert ava_labels.groups({1, 2, 3}) == {}


def test_types_share_out_the_sixty_classes():
  ids = {i for group in ava_labels.GROUPS.values() for i in group}
  types = ava_labels.types(ids)
  sizes = {name: len(members) for name, members in types.items()}
  # Those of the label map that evaluates 60 classes.
  assert sizes == {
    'person movement': 13,
    'object manipulation': 32,
    'person interaction': 15,
  }
  assert {i for members in types.values() for i in members} == ids
  assert ava_labels.types({1, 2}) == {}
