"""Which keyframes of AVA-Kinetics are of AVA's films."""

import pytest

from vidpetl.metrics import ava_parts


@pytest.mark.parametrize(
  'timestamp, part',
  [
    ('0902', 'ava'),
    ('1798', 'ava'),
    ('902.000000', 'ava'),
    ('15:02', 'ava'),
    ('902.5', 'kinetics'),
    ('12.345', 'kinetics'),
    ('0005', 'kinetics'),
    ('1799', 'kinetics'),
  ],
)
def test_films_are_annotated_at_whole_seconds(timestamp, part):
  assert ava_parts.part(timestamp) == part
