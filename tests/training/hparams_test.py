"""What runs are compared by."""

from vidpetl.experiment import configure
from vidpetl.recipes import named
from vidpetl.training import hparams

CONFIG = 'vpetl:dataset=hmdb51,demo,method=lora,rank=2,init=runs/x'


def test_plain_values_that_change_a_result():
  config = configure.configure(named.load(CONFIG), {'batch_size': '4'})
  found = hparams.of(config.to_dict(), named.words(CONFIG), trained=7)
  assert found['config'] == 'vpetl'
  assert (found['method'], found['demo']) == ('lora', 'true')
  assert (found['batch_size'], found['seed'], found['trained']) == (4, 0, 7)
  assert found['optimizer.learning_rate'] == config.optimizer.learning_rate
  assert found['tasks.hmdb51.clip.views'] == '1, 1'
  # One column for the argument and the field that it sets.
  assert found['petl[0].rank'] == 2 and 'rank' not in found
  # Paths, machines, logging, what is not set.
  for name in (
    'init',
    'init.path',
    'tasks.hmdb51.train.path',
    'input.workers',
    'log_every',
    'writers',
    'tasks.hmdb51.clip.area',
  ):
    assert name not in found
