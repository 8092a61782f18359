"""The page in a real browser, and the server as a process."""

import os
import re
import shutil
import signal
import subprocess
import sys

import drawn
import experiments
import pytest
import trained_models

pytest.importorskip('uvicorn', reason='needs the extra [serve]')
playwright = pytest.importorskip(
  'playwright.sync_api', reason='needs playwright: pip install playwright'
)
CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(not CHROMIUM, reason='needs a browser, chromium'),
]


@pytest.fixture(scope='module')
def server(tmp_path_factory):
  """Yields the address of a server, its process and its temporary folder."""
  folder = tmp_path_factory.mktemp('server')
  run = trained_models.write(folder / 'tiny', 'i3d')
  (folder / 'tmp').mkdir()
  process = subprocess.Popen(
    [sys.executable, '-m', 'vidpetl.serve', f'--run={run}', '--port=0'],
    env={
      **os.environ,
      'PYTHONPATH': str(experiments.ROOT),
      'TMPDIR': str(folder / 'tmp'),
    },
    stdout=subprocess.PIPE,
    text=True,
  )
  address = None
  while address is None:
    line = process.stdout.readline()
    assert line, 'the server has ended'
    address = re.match(r'http://\S+', line)
  yield address[0], process, folder / 'tmp'
  process.kill()
  process.wait()


@pytest.fixture(scope='module')
def film(tmp_path_factory):
  folder = tmp_path_factory.mktemp('films')
  return drawn.clip(folder / 'a film.mp4', size=(192, 128), frames=24)


@pytest.fixture(scope='module')
def browser():
  with playwright.sync_playwright() as driver:
    found = driver.chromium.launch(
      executable_path=CHROMIUM, args=['--no-sandbox']
    )
    yield found
    found.close()


@pytest.fixture(params=['light', 'dark'])
def page(browser, server, request):
  """The page on a phone; it asks nobody but its server, and has no error."""
  made = browser.new_page(
    viewport={'width': 360, 'height': 740}, color_scheme=request.param
  )
  asked, errors = [], []
  made.on('request', lambda r: asked.append(r.url))
  made.on('pageerror', lambda e: errors.append(e))
  made.goto(server[0])
  yield made
  assert {a for a in asked if not a.startswith((server[0], 'data:'))} == set()
  assert not errors
  made.close()


LOADED = """new Promise(done => {
  const video = document.querySelector('video');
  if (video.readyState || video.error) done();
  video.onloadedmetadata = video.onerror = done;
})"""


def ask(page, file):
  page.set_input_files('#film', file)
  page.click('#ask')
  page.wait_for_selector('#answer:visible, #error:visible', timeout=60_000)


def test_a_film_is_sent_and_its_answer_shown(page, film):
  ask(page, film)
  assert page.inner_text('#title') == 'a film.mp4: own'
  assert page.locator('meter').count() == 3
  assert page.locator('#parts polyline').count() == 3
  # The page's policy lets no text run as a script, of which a wait is made.
  page.evaluate(LOADED)
  width = page.evaluate("document.querySelector('video').videoWidth")
  # A browser without H.264 shows no picture, and says so itself.
  assert width in (0, 192)
  assert page.evaluate('document.documentElement.scrollWidth') <= 360


def test_a_broken_film_is_a_sentence(page, tmp_path):
  broken = tmp_path / 'broken.mp4'
  broken.write_bytes(b'\0' * 1000)
  ask(page, str(broken))
  assert 'cannot be read as a film' in page.inner_text('#error')
  assert page.is_hidden('#answer') and page.is_enabled('#ask')


MANY = """document.querySelector('#parts').replaceChildren(...parts({
  people: [{person: 1, actions: [...Array(200).keys()].map(seconds => (
    {seconds, top: [{class: 'a', score: 1}, {class: 'b', score: 0}]}))}]}))"""


def test_a_long_table_says_how_long_it_is(page):
  page.evaluate(MANY)
  page.evaluate("document.querySelector('#answer').hidden = false")
  assert page.locator('#parts tbody tr').count() == 300
  assert 'The first 300 of 400 rows' in page.inner_text('#parts')


def test_a_server_that_ends_leaves_nothing(server):
  """Also after a film that is still kept; it is the last test here."""
  _, process, folder = server
  assert list(folder.glob('vidpetl-serve-*/drawn/*.mp4'))
  process.send_signal(signal.SIGTERM)
  process.wait(20)
  assert not list(folder.iterdir())
