"""Fields of a config on the command line."""

from vidpetl.recipes import config_flag


def test_fields_are_taken_out_of_a_command_line():
  rest, fields = config_flag.split(
    [
      'door',
      '--config=mine:x',
      '--config.epochs=5',
      '--config.seed',
      '3',
      '--config.backbone.remat',
      '--workdir=here',
      'word',
      '--config.trainable=((".*", "a=b"),)',
    ]
  )
  assert rest == ['door', '--config=mine:x', '--workdir=here', 'word']
  assert fields == {
    'epochs': '5',
    'seed': '3',
    'backbone.remat': 'true',
    'trainable': '((".*", "a=b"),)',
  }


def test_a_flag_is_true_where_no_value_follows():
  _, fields = config_flag.split(['--config.a', '--config.b', '1', '2'])
  assert fields == {'a': 'true', 'b': '1'}
