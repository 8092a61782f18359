"""README and site: the site builds, and what they name is there."""

import importlib.util
import os
import pathlib
import re
import shlex
import subprocess
import sys

import doors
import experiments
import pytest

from launch import docs_tables
from vidpetl import cli
from vidpetl.experiment import configure
from vidpetl.recipes import config_flag, named
from vidpetl.studies import settings
from vidpetl.weights import family

ROOT = experiments.ROOT
PAGES = [
  *(ROOT / f'{name}.md' for name in ('README', 'CONTRIBUTING', 'SECURITY')),
  *sorted((ROOT / 'docs').rglob('*.md')),
]
_FENCE = re.compile(r'^ *```bash\n(.*?)^ *```', re.M | re.S)
_PATH = re.compile(
  r'`((?:vidpetl|configs|docs|launch|tests)/[\w./]*|\w+\.(?:md|txt|cff)|LICENSE)`'
)
_OURS = re.compile(r'(?:python -m )?vidpetl[ .]')


def commands():
  """Yields (page, words) of every command of vidpetl's in a block of bash."""
  for page in PAGES:
    for block in _FENCE.findall(page.read_text(encoding='utf-8')):
      joined = block.replace('\\\n', '')
      for words in _split(joined):
        yield pytest.param(words, id=f'{page.stem}: {" ".join(words)[:60]}')


def _split(block):
  """The commands of a block as words, `vidpetl` or `python -m vidpetl.x`."""
  lines, at = [], ''
  for line in block.splitlines():
    at += line + '\n'
    try:
      words = shlex.split(at, comments=True)
    except ValueError:  # within quotes
      continue
    at = ''
    if _OURS.match(' '.join(words)):
      lines.append(words)
  return lines


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """A reader's folder, with the data that the pages speak of."""
  (tmp_path / 'configs').symlink_to(ROOT / 'configs')
  (tmp_path / 'my_videos').mkdir()
  (tmp_path / 'mine').mkdir()
  for place in (tmp_path, tmp_path / 'mine'):
    (place / 'a.mp4').touch()
    (place / 'clips.csv').write_text('path,label,split\na.mp4,jump,train\n')
    for name in ('train', 'val'):
      (place / f'{name}.csv').write_text('film,902,0.1,0.1,0.5,0.5,3,0\n')
  (tmp_path / 'performances.csv').write_text('video,score\na.mp4,1\na.mp4,2\n')
  monkeypatch.chdir(tmp_path)
  return tmp_path


@pytest.fixture(scope='module')
def opened():
  found = doors.Doors()
  yield found
  found.close()


@pytest.mark.parametrize('words', list(commands()))
def test_a_command_parses(words, folder, opened):
  """Its door, flags, config, argument and fields are those there are."""
  start, *rest = words
  if start == 'vidpetl':
    door, *rest = rest
    assert door in cli.DOORS
    module = cli.DOORS[door]
  else:
    module, rest = rest[1], rest[2:]
  status, said = opened.check(module, rest, folder)
  assert status == 0, said
  rest, fields = config_flag.split(rest)
  options = dict(w.removeprefix('--').split('=', 1) for w in rest if '=' in w)
  for variant in _variants(options) if 'config' in options else ():
    argument = variant.replace('{seed}', '0').replace('{fold}', '1')
    separator = ',' if ':' in options['config'] else ':'
    text = f'{options["config"]}{separator if argument else ""}{argument}'
    configure.configure(named.load(text), fields)


def _variants(options):
  """The arguments that a series appends to its config's."""
  over = options.get('over')
  variants = [v.argument for v in settings.parse(over)] if over else ['']
  if folds := options.get('folds'):
    folds = [v.argument for v in settings.parse(folds)]
    return [','.join(filter(None, (v, f))) for v in variants for f in folds]
  return variants


# By runs and imports, by the reader, and by other programs.
MADE = {
  'configs/mine.py',
  'folds.md',
  'init_report.txt',
  'sweep.md',
  'rates.md',
  'contrasts.md',
}
MADE |= {'command.txt', 'labels.txt', 'category.txt', 'gt.txt'}


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_files_that_a_page_names_are_there(page):
  text = page.read_text(encoding='utf-8')
  missing = {p for p in _PATH.findall(text) if not (ROOT / p).exists()}
  assert missing - MADE == set()


@pytest.mark.parametrize('page', docs_tables.pages(), ids=lambda p: p.stem)
def test_a_page_of_tables_is_that_of_the_code(page):
  assert page.read_text(encoding='utf-8') == docs_tables.pages()[page]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_a_page_was_merged_whole(page):
  marks = re.compile(r'^(?:<{7}|={7}|>{7})(?: |$)', re.M)
  assert not marks.search(page.read_text(encoding='utf-8'))


def test_weights_names_the_families_that_there_are():
  page = (ROOT / 'docs' / 'weights.md').read_text(encoding='utf-8')
  assert set(re.findall(r'--from=(\w+)', page)) == set(family.names())


def test_every_room_has_a_page():
  rooms = {p.parent.name for p in (ROOT / 'vidpetl').glob('*/__init__.py')}
  pages = {p.stem for p in (ROOT / 'docs' / 'api').glob('*.md')}
  assert pages == rooms | {'index', 'rest'}


def test_the_readme_is_short():
  assert len((ROOT / 'README.md').read_text().splitlines()) <= 150


@pytest.mark.slow
@pytest.mark.skipif(
  not all(map(importlib.util.find_spec, ('mkdocs', 'mkdocstrings'))),
  reason="needs the extra 'docs': pip install -e .[docs]",
)
def test_the_site_builds_strictly(tmp_path):
  """Links, anchors and docstrings' references resolve; nothing is fetched."""
  done = subprocess.run(
    [sys.executable, '-m', 'mkdocs', 'build', '--strict', f'-d{tmp_path}'],
    cwd=ROOT,
    env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  loaded = re.compile(
    r'<(?:script|link|img)[^>]+(?:src|href)="?(https?:[^">]+)'
  )
  for page in pathlib.Path(tmp_path).rglob('*.html'):
    assert loaded.findall(page.read_text(encoding='utf-8')) == []
  text = (tmp_path / 'api' / 'petl.html').read_text(encoding='utf-8')
  assert 'vidpetl.petl.techniques.lora.LoRA' in text
  # What a docstring indents is code.
  assert re.search(r'<code>model = Adapted', text)


def test_findings_name_tests_and_files_that_there_are():
  page = (ROOT / 'docs' / 'findings.md').read_text(encoding='utf-8')
  tests = {path.stem for path in (ROOT / 'tests').rglob('*_test.py')}
  named = set(re.findall(r'`(\w+_test)`', page))
  assert named and named <= tests
  files = set(re.findall(r'`((?:\w+/)+\w+\.py)`', page))
  missing = {f for f in files if not (ROOT / 'vidpetl' / f).exists()}
  assert files and not missing
