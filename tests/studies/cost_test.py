"""What training costs."""

import pytest

from vidpetl.studies import cost


@pytest.mark.slow
def test_settings_are_shares_of_full_tuning():
  costs = cost.measure(
    'vpetl:dataset=hmdb51,demo,head=true',
    'method=head; kept: method=head,config.cache.path=any,config.cache.views=1',
    1,
    2,
    {'dtype': 'float32'},
  )
  header, _, full, head, kept = cost.table(costs).splitlines()
  assert header.split(' | ')[1:3] == ['trained', 'FLOPs']
  assert full.startswith('| full | ')
  name, trained, flops, *_ = head.strip('| ').split(' | ')
  # A linear head has few parameters, and needs no gradient of the backbone's.
  assert name == 'head'
  assert 0 < float(trained) < 0.1
  assert 0.2 < float(flops) < 0.5
  # From kept features the backbone does not run at all.
  name, same, flops, *_ = kept.strip('| ').split(' | ')
  assert (name, same) == ('kept', trained) and float(flops) < 0.001
