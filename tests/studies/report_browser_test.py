"""The report of a run that was trained, in a browser."""

import os
import pathlib
import shutil
import subprocess
import sys

import experiments
import pytest

sync_api = pytest.importorskip(
  'playwright.sync_api', reason='needs playwright: pip install -e .[test]'
)

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(
    not CHROMIUM, reason='needs a browser: apt-get install chromium'
  ),
]


@pytest.fixture(scope='module')
def browser():
  with sync_api.sync_playwright() as driver:
    opened = driver.chromium.launch(
      executable_path=CHROMIUM, args=['--no-sandbox']
    )
    yield opened
    opened.close()


@pytest.fixture
def trained(make_config, config_file, tmp_path):
  """Runs of one step each, by the command; their folders."""
  config = config_file(make_config('kinetics400', steps=1, page=True))
  made = []
  for name in ('one', 'two'):
    command = [
      *(sys.executable, '-m', 'vidpetl.main', f'--config={config}'),
      *(f'--workdir={tmp_path / name}', f'--config.seed={len(made)}'),
    ]
    done = _run(command)
    assert f'Report: {tmp_path / name}/report.html' in done.stderr
    typed = (tmp_path / name / 'command.txt').read_text()
    assert typed.startswith(f'vidpetl train --config={config} --workdir=')
    made.append(tmp_path / name)
  return made


def _run(command):
  done = subprocess.run(
    command,
    cwd=experiments.ROOT,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  return done


def _open(browser, path, **options):
  """Returns a page, and what it complained of or asked for."""
  page = browser.new_context(**options).new_page()
  odd = []
  page.on('console', lambda message: odd.append(message.text))
  page.on('pageerror', lambda error: odd.append(str(error)))
  page.on(
    'request',
    lambda asked: asked.url.startswith('data:') or odd.append(asked.url),
  )
  address = pathlib.Path(path).as_uri()
  page.goto(address)
  assert odd == [address]
  return page


GROUND = 'getComputedStyle(document.body).backgroundColor'
SIZES = '[...document.images].map(image => image.naturalWidth)'
STILLS = """[...document.images].map(
  image => image.currentSrc === image.previousElementSibling.srcset)"""
LIGHT, DARK = 'rgb(255, 255, 255)', 'rgb(20, 24, 31)'


def test_a_report_and_a_comparison_in_a_browser(trained, browser, tmp_path):
  together = tmp_path / 'together.html'
  door = [sys.executable, '-m', 'vidpetl.report']
  _run([*door, *map(str, trained), f'--out={together}'])
  report = trained[0] / 'report.html'
  assert report.stat().st_size < 5e6

  page = _open(browser, report, color_scheme='light')
  page.wait_for_function(f'{SIZES}.every(width => width > 0)')
  # With its map beside it, a clip has two panels.
  assert page.evaluate(SIZES) == [320] * 4
  assert page.evaluate(GROUND) == LIGHT
  page.click('#theme')
  assert page.evaluate(GROUND) == DARK
  assert page.evaluate(STILLS) == [False] * 4
  assert len(_seen(page)) > 1  # It plays.

  still = _open(browser, report, reduced_motion='reduce')
  still.wait_for_function(f'{SIZES}.every(width => width > 0)')
  assert still.evaluate(STILLS) == [True] * 4

  assert _open(browser, report, color_scheme='dark').evaluate(GROUND) == DARK
  for path in (report, together):
    phone = _open(browser, path, viewport={'width': 360, 'height': 740})
    phone.evaluate(
      "document.querySelectorAll('details').forEach(one => one.open = true)"
    )
    assert phone.evaluate('document.documentElement.scrollWidth') == 360


def _seen(page):
  """Returns the pictures that a clip shows in a second."""
  clip, found = page.locator('.clip img').first, set()
  page.wait_for_timeout(500)  # Until it is painted.
  for _ in range(8):
    page.wait_for_timeout(120)
    found.add(clip.screenshot())
  return found
