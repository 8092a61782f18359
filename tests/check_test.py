"""The command check: status, files, page, and that it is light."""

import json
import os
import re
import subprocess
import sys

import drawn
import numpy as np
import pytest
from absl import flags
from PIL import Image

from vidpetl import check
from vidpetl.data.survey import record
from vidpetl.recipes import config_flag
from vidpetl.studies import checking


@pytest.fixture
def videos(tmp_path):
  return drawn.folder(tmp_path / 'videos', frames=30, val=10)


@pytest.fixture
def config():
  def make(*words):
    values = flags.FlagValues()
    for name in ('data', 'config'):
      flags.DEFINE_string(name, None, '', flag_values=values)
    values(['check', *words], known_only=True)
    rest = [w for w in words if not w.startswith(('--data=', '--config='))]
    return check.config_of(values, rest)

  return make


@pytest.fixture(autouse=True)
def no_fields(monkeypatch):
  monkeypatch.setattr(config_flag, 'fields', dict)


def _run(*words, cwd):
  return subprocess.run(
    [sys.executable, '-m', 'vidpetl.check', *map(str, words)],
    cwd=cwd,
    capture_output=True,
    text=True,
  )


SMALL = ('frames=4', 'stride=1', 'resolution=32')


@pytest.fixture
def checked(videos, config, tmp_path):
  chosen, name = config(str(videos), *(f'--{word}' for word in SMALL))

  def run(**options):
    options = {'sheet': 3, 'cache_path': str(tmp_path / 'c.sqlite')} | options
    return checking.check(chosen, name, tmp_path / 'out', **options)

  return run


def test_the_status_says_whether_something_is_wrong(videos, tmp_path):
  words = (videos, *(f'--{word}' for word in SMALL), '--sheet=0', '--cache=')
  done = _run(*words, cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert 'Nothing odd was found.' in done.stdout
  assert 'videos_check/check.html' in done.stdout
  drawn.clip(videos / 'val' / 'swim' / 'a.mp4', 99, frames=30)
  done = _run(*words, cwd=tmp_path)
  assert done.returncode == 1, done.stderr
  assert 'wrong  1 class is in val alone' in done.stdout


def test_a_mistake_in_the_command_has_status_2(tmp_path):
  done = _run(cwd=tmp_path)
  assert done.returncode == 2 and 'give one DATA' in done.stderr
  done = _run('nowhere', cwd=tmp_path)
  assert done.returncode == 2 and 'data=nowhere is no folder' in done.stderr
  done = _run('nowhere', '--frmaes=2', cwd=tmp_path)
  assert done.returncode == 2 and "'frmaes'" in done.stderr


def test_the_second_time_reads_and_loads_nothing(videos, tmp_path):
  first = _run(videos, '--cache=c', '--sheet=2', cwd=tmp_path)
  assert first.returncode == 0, first.stderr
  code = (
    'import sys; from vidpetl import check; from vidpetl.recipes import '
    'config_flag; from vidpetl.data.survey import record; record.read = None; '
    'from vidpetl import cli; import atexit; '
    'atexit.register(lambda: print([m for m in sys.modules if m in '
    "('jax', 'tensorflow', 'flax')])); sys.modules['__main__'] = check; "
    'cli.run(check.define_flags, check.main, config_flag.parse_words)'
  )
  words = [str(videos), '--cache=c', '--sheet=2']
  second = subprocess.run(
    [sys.executable, '-c', code, *words],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert second.returncode == 0, second.stderr
  *same, loaded = second.stdout.splitlines()
  assert same == first.stdout.splitlines() and loaded == '[]'


def test_json_has_all_that_was_found(checked, tmp_path):
  result = checked()
  assert json.loads((tmp_path / 'out' / 'check.json').read_text()) == result
  assert result.keys() == {
    *('data', 'vidpetl', 'levels', 'findings', 'files', 'tasks', 'sheet')
  }
  task = result['tasks']['videos']
  assert task.keys() == {'kind', 'recipe', 'splits', 'classes'}
  assert task['classes'][0] == {'name': 'run', 'train': 6, 'val': 10}
  assert task['recipe']['frames'] == 4
  split = task['splits']['train']
  assert split['clips'] == split['files'] == split['known'] == 12
  assert split['sizes'] == {'48x32': 12} and split['codecs'] == {'mpeg4': 12}
  assert split['fps']['median'] == 12 and sum(split['fps']['counts']) == 12


def test_the_page_is_one_file_and_loads_nothing(checked, videos, tmp_path):
  (videos / 'val' / 'run' / '<b>&.mp4').write_bytes(b'')
  checked()
  page = (tmp_path / 'out' / 'check.html').read_text()
  assert not re.search(r'(src|href)="(?!data:)', page)
  # The one script is the page's own: see `vidpetl.markup`.
  assert (
    page.count('<script') == 1 and 'url(' not in page and '@import' not in page
  )
  assert page.count('src="data:image/png;base64,') == 1
  assert '&lt;b&gt;&amp;.mp4: has no bytes' in page and '<b>&.mp4' not in page
  assert '<td>run</td>' in page and '<svg' not in page  # nothing varies


def test_the_sheet_shows_the_clips_of_the_first_steps(checked, tmp_path):
  checked()
  sheet = np.asarray(Image.open(tmp_path / 'out' / 'check.png'))
  # Three clips of four frames, two of them beside each other.
  assert sheet.shape == (2 * (34 + 130 + 14) + 14, 2 * (4 * 130 + 14) + 14, 3)
  # The pictures have colours, what is beside them has none.
  assert sheet[60, 40].std() > 0 and (sheet[:5] == 255).all()


def test_a_sheet_is_drawn_again_where_it_would_differ(checked, monkeypatch):
  drawn_ones = []
  draw = checking._draw
  monkeypatch.setattr(
    checking, '_draw', lambda *some: drawn_ones.append(1) or draw(*some)
  )
  first = checked()
  assert checked() == first and len(drawn_ones) == 1
  assert checked(sheet=2)['sheet'] != first['sheet'] and len(drawn_ones) == 2
  assert checked(sheet=0)['sheet'] is None and len(drawn_ones) == 2


def test_names_that_are_no_text_are_shown(config, tmp_path):
  odd = os.fsdecode(b'caf\xe9')
  root = drawn.folder(tmp_path / odd, ['run', odd], frames=30)
  (root / 'val' / odd / f'{odd}.mp4').write_bytes(b'')
  chosen, name = config(str(root), *(f'--{word}' for word in SMALL))
  result = checking.check(chosen, name, tmp_path / 'out', sheet=4)
  assert r'caf\xe9' in {
    one['name'] for one in result['tasks'].popitem()[1]['classes']
  }
  for file in ('check.html', 'check.json'):
    assert r'caf\xe9.mp4' in (tmp_path / 'out' / file).read_text().replace(
      '\\\\', '\\'
    )


def test_damaged_clips_are_passed_over_on_the_sheet(checked, videos):
  for path in (videos / 'train' / 'run').iterdir():
    path.write_bytes(b'')
  assert checked()['sheet'] is not None


def test_what_a_run_would_refuse_is_wrong(videos, config, tmp_path):
  chosen, name = config(str(videos), *(f'--{word}' for word in SMALL))
  chosen.unlock()
  chosen.tasks.videos.num_classes = 5
  (found,) = checking.check(chosen, name, tmp_path / 'out')['findings']
  assert (found['level'], found['code']) == ('wrong', 'refused')
  assert 'num_classes is 5, but videos/train has 2' in found['text']


def test_data_is_given_by_place_or_name_and_adapt_takes_the_rest(config):
  chosen, name = config('hmdb51_1', '--frames=8', '--backbone=clip_b16')
  assert name == 'hmdb51_1' and chosen.tasks.hmdb51.clip.frames == 8
  again, _ = config('--data=hmdb51_1', '--frames=8', '--backbone=clip_b16')
  assert again == chosen


@pytest.mark.parametrize(
  'words, problem',
  [
    ((), 'give one DATA'),
    (('a', 'b'), 'not a and b'),
    (('a', '--config=adapt:data=b'), 'names its data itself'),
    (('a,b',), 'has a comma'),
  ],
)
def test_what_is_checked_is_said_once(config, words, problem):
  with pytest.raises(ValueError, match=problem):
    config(*words)


def test_nothing_is_written_among_the_data(videos, config, monkeypatch):
  chosen, name = config(str(videos))
  with pytest.raises(ValueError, match='lies in the data'):
    checking.folder_for(chosen, name, str(videos / 'out'))
  monkeypatch.chdir(videos)
  found = checking.folder_for(chosen, '.', None)
  assert found == videos.parent / 'videos_check'
  monkeypatch.chdir(videos.parent)
  assert str(checking.folder_for(chosen, name, None)) == 'videos_check'


def test_nothing_is_written_beside_the_splits_of_data(
  videos, config, monkeypatch
):
  chosen, name = config(str(videos / 'train'))
  for folder in (videos, videos / 'train'):
    monkeypatch.chdir(folder)
    found = checking.folder_for(chosen, name, None)
    assert found == videos.parent / 'train_check'


def test_what_cannot_be_written_is_said_before_files_are_read(
  config, videos, tmp_path, monkeypatch
):
  monkeypatch.setattr(record, 'read', lambda path: pytest.fail('was read'))
  chosen, name = config(str(videos))
  (tmp_path / 'file').touch()
  for out in (tmp_path / 'file', tmp_path / 'file' / 'below'):
    with pytest.raises(OSError, match=r'file.*; --out=FOLDER says'):
      checking.check(chosen, name, out)


def test_an_interruption_is_one_line(videos, tmp_path):
  code = (
    'import os, signal; from vidpetl import check, cli\n'
    'from vidpetl.recipes import config_flag\n'
    'def main(argv): os.kill(os.getpid(), signal.SIGINT)\n'
    'cli.run(check.define_flags, main, config_flag.parse_words)'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
  )
  assert (done.returncode, done.stderr) == (130, 'interrupted\n')


def test_a_file_is_read_once_for_all_tasks(checked, monkeypatch):
  read, paths = record.read, []
  monkeypatch.setattr(
    record, 'read', lambda path: paths.append(path) or read(path)
  )
  checked(sheet=0)
  assert len(paths) == len(set(paths)) == 32
