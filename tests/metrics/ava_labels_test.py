"""AVA's groups of classes."""

from vidpetl.metrics import ava_labels


def test_groups_partition_sixty_classes():
  sizes = [len(ids) for ids in ava_labels.GROUPS.values()]
  assert sizes == [8, 23, 29]
  ids = {i for group in ava_labels.GROUPS.values() for i in group}
  assert len(ids) == 60 and max(ids) == 80
  assert ava_labels.groups(ids) == ava_labels.GROUPS
  assert ava_labels.groups({1, 2, 3}) == {}
