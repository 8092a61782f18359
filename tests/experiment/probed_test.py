"""A head that reads tokens is taken by a task that reads them alike."""

import pytest

from vidpetl.experiment import probed

WANTED = {'kind': 'attentive', 'depth': 3, 'layers': [1, 5]}


def require(probe, wanted=WANTED):
  probed.require(wanted, probe, 'own', 'ssv2.safetensors')


def test_a_probe_that_is_the_same_is_no_matter():
  require({'kind': 'attentive', 'depth': 3, 'layers': (1, 5), 'queries': 1})
  require({'kind': ''}, {})
  require({}, None)


@pytest.mark.parametrize(
  'probe', [{}, {**WANTED, 'depth': 0}, {**WANTED, 'layers': ()}]
)
def test_another_is_refused_with_the_arguments_that_are_right(probe):
  match = (
    r'config.tasks.own.probe .*probe=attentive,probe_depth=3,.*layers=1\+5'
  )
  with pytest.raises(ValueError, match=match):
    require(probe)
