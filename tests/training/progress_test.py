"""Progress: a bar on a terminal, lines in a file."""

import io

from vidpetl.training import progress


class Terminal(io.StringIO):
  def isatty(self):
    return True


def test_a_file_gets_a_line_per_log():
  stream = io.StringIO()
  shown = progress.Progress(8, stream)
  shown.show(2, {'ava': '0.700', 'clips/s': '3.1'})
  shown.say('Saved.')
  shown.show(8, {'ava': '0.500', 'clips/s': '3.2'})
  shown.close()
  first, said, last = stream.getvalue().splitlines()
  assert first == 'step 2/8 |  25% | ava 0.700 | clips/s 3.1 | ETA ?'
  assert said == 'Saved.'
  assert last.startswith('step 8/8 | 100% | ava 0.500 | clips/s 3.2 | ETA 0')
  assert '\r' not in stream.getvalue()


def test_a_terminal_keeps_its_bar_below_what_is_said():
  stream = Terminal()
  shown = progress.Progress(8, stream)
  shown.show(2, {'ava': '0.700'})
  shown.say('Saved.')
  shown.show(4, {'ava': '0.600'})
  shown.close()
  text = stream.getvalue()
  assert '\rstep 2/8 |' in text and '\rstep 4/8 |' in text
  assert 'Saved.\n' in text
  after = text.partition('Saved.\n')[2]
  assert 'ava 0.700' in after and 'ava 0.600' in after
  assert text.endswith('\n')


def test_durations():
  assert progress.duration(3725) == '1:02:05'
  assert progress.duration(200) == '03:20'
