"""report.html: what is on it for every kind of task, and nothing else."""

import base64
import hashlib
import html.parser
import io
import json
import re

import experiments
import numpy as np
import pytest
from etils import epath
from PIL import Image

from vidpetl import cli, markup
from vidpetl.data import sources
from vidpetl.experiment import complete
from vidpetl.metrics import ava_labels
from vidpetl.studies import clip_sheet, flops, grad_cam, recorded
from vidpetl.studies.report import (
  chart,
  classes,
  compare,
  moving,
  page,
  written,
)
from vidpetl.training import predictions

EVIL = '<script>alert("1")</script> & \'ä\u0000'
NAMES = ('sit', 'run', EVIL)
VOID = {'meta', 'img', 'br', 'source', 'input', 'hr'}


class Strict(html.parser.HTMLParser):
  """Fails on tags that do not match, and on addresses that are elsewhere."""

  def __init__(self):
    super().__init__()
    self.open, self.tags, self.words = [], [], []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    for name, value in attrs:
      if name in ('src', 'srcset', 'href'):
        assert value.startswith(('data:image/', '#')), value[:50]
      assert not name.startswith('on')
    if tag not in VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if self.open and self.open[-1] not in ('style', 'script'):
      self.words.append(data)


def read(text):
  """Returns the words of a page, and its tags, having checked it."""
  parser = Strict()
  parser.feed(text)
  parser.close()
  assert not parser.open
  assert 'http' not in re.sub('data:[^"]+', '', text).replace('http-equiv', '')
  assert sum(tag == 'script' for tag, _ in parser.tags) == 1
  return ' '.join(' '.join(parser.words).split()), parser.tags


@pytest.fixture(autouse=True)
def _no_counting(monkeypatch):
  """Tracing a model takes seconds, and is tested elsewhere."""
  monkeypatch.setattr(flops, 'forward', lambda config: {'k': 2.5e9})


@pytest.fixture(scope='module')
def fields():
  config = experiments.load_config('vpetl', 'dataset=hmdb51,demo,head=true')
  return json.loads(complete.complete(config).to_json_best_effort())


def leave(folder, fields, task, values=(0.2, 0.5, 0.4), metric='top1'):
  """Leaves what a run of one task 'k' leaves."""
  folder.mkdir()
  own = {**fields['tasks']['hmdb51'], 'task': task}
  config = {**fields, 'tasks': {'k': own}, 'batch_size': 4}
  (folder / 'config.json').write_text(json.dumps(config))
  rows = [
    {'step': s, 'learning_rate': 0.1, 'k/loss': 2.0 / s}
    | {'speed/steps_per_second': 2.0, 'speed/clips_per_second': 8.0}
    for s in (2, 4, 6)
  ]
  rows += [{'step': s, f'k/{metric}': v} for s, v in zip((2, 4, 6), values)]
  text = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / 'metrics.jsonl').write_text(text)
  results = {
    'step': 6,
    'reported': {'how': 'last', 'step': 6, 'evaluations': 3, 'note': ''},
    'training_examples': {'k': 8},
    'parameters': {'total': 2000, 'trained': 100, 'trained_heads': 10},
    'versions': {'jax': '1.2.3'},
    'devices': '1 x cpu',
    'tasks': {
      'k': {
        'metrics': {metric: values[-1]},
        'table': ['one', 'two'],
        'dataset': 'mine/val',
        'examples': 4,
        'undecodable': 0,
        'missing': 0,
        'fingerprint': 'abc',
        'protocol': {'frames': 16, 'views': [1, 1]},
      }
    },
  }
  (folder / 'results.json').write_text(json.dumps(results))
  return recorded.Recorded(epath.Path(folder), folder.name)


def predict(run, columns, **arrays):
  folder = run.workdir / predictions.FOLDER
  predictions.write_csv(folder / 'k.6.csv', columns)
  if arrays:
    np.savez(folder / 'k.6.npz', **arrays)


def classify(run):
  truth, taken = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
  names, scores = np.array(NAMES), np.full((4, 3), 0.1)
  scores[range(4), taken] = 0.8
  columns = {
    'id': [f'{EVIL}{i}' for i in range(4)],
    'truth': names[truth],
    'truth_score': scores[range(4), truth],
    'top1': names[taken],
    'score1': [0.8] * 4,
  }
  predict(run, columns, labels=truth, scores=scores, classes=names)


def per_class(run, values, key='recall', names=NAMES):
  predictions.write_csv(
    run.workdir / predictions.PER_CLASS / 'k.6.csv',
    {
      'index': range(len(names)),
      'class': names,
      'truth': [2] * len(names),
      'train': range(len(names), 0, -1),
      key: values,
    },
  )


def test_a_classification_has_all_parts_and_runs_nothing_of_its_names(
  tmp_path, fields, monkeypatch
):
  monkeypatch.chdir(tmp_path)  # Where no data of the demo lie.
  run = leave(
    tmp_path / EVIL.replace('/', '').rstrip('\0'), fields, 'classification'
  )
  classify(run)
  per_class(run, [0.5, float('nan'), 0.25])
  (run.workdir / 'command.txt').write_text('vidpetl train --config=x\n')
  words, tags = read(page.of_run(run, explain=False))
  for told in (
    '40.0 %', '5.00 %', 'swin', 'epochs of', 'reported: last, step 6',
    'jax 1.2.3', 'vidpetl train --config=x', 'vidpetl predict --run=',
    '2.5 GFLOPs', '3.0 s', 'protocol', 'What is taken for what', 'mine/val',
    'not checked', EVIL[:-1],
  ):  # fmt: skip
    assert told in words, told
  # The data are not where the config says.
  assert 'raw' in words.partition('worst and best on')[2]
  assert sum(tag == 'polyline' for tag, _ in tags) == 3
  matrix = [a['title'] for tag, a in tags if tag == 'td' and 'title' in a]
  assert matrix[:3] == ['1 of 2', '1 of 2', '0 of 2'] and len(matrix) == 9


@pytest.mark.parametrize(
  'task, kind, has, has_not',
  [
    ('multilabel', 'ap', 'Each class', 'taken for what'),
    ('localisation', 'ap', 'Keyframes with boxes', 'worst and best'),
    ('quality.usdl', '', 'Predicted over true scores', 'Each class'),
    ('pretext.vspp', '', 'Answers', 'worst and best'),
  ],
)
def test_each_kind_of_task_has_its_parts(
  task, kind, has, has_not, tmp_path, fields
):
  run = leave(tmp_path / 'run', fields, task, metric='x')
  if kind:
    names = [f'class {i}' for i in range(1, 81)]
    per_class(run, np.linspace(0, 1, 80), kind, names)
  elif task == 'quality.usdl':
    columns = {'id': ['a', EVIL], 'truth': [1.0, 2.0], 'predicted': [2.0, 1.5]}
    predict(run, columns)
  else:
    columns = {'id': ['a', 'b'], 'truth_speed': [0, 2], 'answer_speed': [1, 2]}
    predict(run, columns)
  if task == 'localisation':
    (run.workdir / 'pictures').mkdir()
    Image.new('RGB', (640, 480)).save(run.workdir / 'pictures' / 'k_film.png')
    Image.new('RGB', (64, 48)).save(run.workdir / 'pictures' / 'k_classes.png')
  words, tags = read(page.of_run(run))
  assert has in words and has_not not in words
  images = [a for tag, a in tags if tag == 'img']
  assert len(images) == (task == 'localisation')
  circles = sum(tag == 'circle' for tag, _ in tags)
  assert circles - 9 == (2 if task == 'quality.usdl' else 0)


def test_groups_and_types_of_ava_have_means():
  ids = sorted(i for group in ava_labels.GROUPS.values() for i in group)
  rows = [
    {'index': i - 1, 'class': f'c{i}', 'train': 1, 'truth': 1, 'ap': i / 100}
    for i in ids
  ]
  words, _ = read(markup.page('x', classes.table(rows)))
  head = np.mean(ava_labels.HEAD)
  assert f'head 8 {head:.1f}' in words
  assert '30 rarer ones' in words


def test_a_run_under_way_and_one_that_was_only_evaluated(tmp_path, fields):
  run = leave(tmp_path / 'under_way', fields, 'classification')
  (run.workdir / 'results.json').unlink()
  words, _ = read(page.of_run(run))
  assert 'not finished, its last logged step is 6' in words
  assert '40.0 %' in words and 'has no csv of k' in words
  run = leave(tmp_path / 'evaluated', fields, 'classification')
  for name in ('config.json', 'metrics.jsonl'):
    (run.workdir / name).unlink()
  words, _ = read(page.of_run(run))
  assert 'only evaluated here' in words and '40.0 %' in words
  assert 'has no config.json' in words
  with pytest.raises(ValueError, match='is no working directory of a run'):
    recorded.Recorded(epath.Path(tmp_path), 'x')


def test_a_page_that_cannot_be_made_is_a_line_at_the_end(
  tmp_path, fields, monkeypatch
):
  run = leave(tmp_path / 'a run', fields, 'classification')

  def fail(*_, **__):
    raise RuntimeError('out of memory')

  monkeypatch.setattr(page, 'of_run', fail)
  told = written.at_end(run.workdir)
  assert told.startswith('report.html was not written (RuntimeError: out of m')
  assert told.endswith(f"vidpetl report '{run.workdir}'")
  assert not (run.workdir / 'report.html').exists()
  monkeypatch.setattr(page, 'of_run', lambda run, patient: 'ä')
  report = run.workdir / 'report.html'
  assert written.at_end(run.workdir) == f'Report: {report}'
  assert report.read_text(encoding='utf-8') == 'ä'
  # A run that has ended is run again.
  monkeypatch.setattr(page, 'of_run', fail)
  assert written.at_end(run.workdir) == f'Report: {report}'


def test_a_page_is_no_folder(tmp_path):
  with pytest.raises(ValueError, match='is a folder: name a file'):
    written.write(epath.Path(tmp_path), 'x')
  assert list(tmp_path.iterdir()) == []


def test_large_models_leave_maps_to_the_command(tmp_path, fields):
  run = leave(tmp_path / 'run', fields, 'classification')
  results = run.results
  results['parameters']['total'] = 10**9
  (run.workdir / 'results.json').write_text(json.dumps(results))
  words, _ = read(page.of_run(run, patient=False))
  assert 'not drawn, as the model has 1,000,000,000 parameters' in words


def test_runs_are_compared(tmp_path, fields):
  one = leave(tmp_path / 'one', fields, 'classification', (0.2, 0.5, 0.25))
  other = {**fields, 'seed': 7, 'batch_size': 4}
  two = leave(tmp_path / 'two', other, 'classification', (0.2, 0.3, 0.75))
  per_class(one, [0.5, 0.5, 0.25])
  per_class(two, [0.75, 0.5, 0.0])
  text = compare.of_runs([one, two])
  words, tags = read(text)
  assert re.findall('<td class="best">(.*?)</td>', text) == ['75.0 %']
  assert 'sit 50.0 75.0 +25.0' in words and '25.0 0.0 -25.0' in words
  assert f'seed {fields["seed"]} 7' in words
  assert '; one is 25 % of them.' in words and 'do not compare' not in words
  assert sum(tag == 'polyline' for tag, _ in tags) == 2
  results = two.results
  results['tasks']['k']['fingerprint'] = 'other'
  (two.workdir / 'results.json').write_text(json.dumps(results))
  assert 'tested on other examples' in read(compare.of_runs([one, two]))[0]
  (two.workdir / 'config.json').unlink()
  assert 'two: This run was only' in read(compare.of_runs([one, two]))[0]


def test_a_distance_is_best_where_it_is_lowest(tmp_path, fields):
  runs = [
    leave(tmp_path / name, fields, 'quality.usdl', (9.0, 8.0, value), 'l2')
    for name, value in (('a', 3.0), ('b', 4.0))
  ]
  text = compare.of_runs(runs)
  assert re.findall('<td class="best">(.*?)</td>', text) == ['3']


def test_clips_play_at_their_own_speed_beside_their_maps(make_config, tmp_path):
  config = complete.complete(make_config('kinetics400'))
  (tmp_path / 'metrics.jsonl').write_text('')
  (tmp_path / 'config.json').write_text(config.to_json_best_effort())
  source = sources.open_source(config.tasks.kinetics400.eval)
  ids = list(source.ids)[:3]
  predictions.write_csv(
    tmp_path / 'predictions' / 'kinetics400.1.csv',
    {
      'id': ids,
      'truth': ['sit'] * 3,
      'truth_score': [0.9, 0.1, 0.5],
      'top1': ['sit', 'run', 'run'],
      'score1': [0.9] * 3,
    },
  )
  run = recorded.Recorded(epath.Path(tmp_path), 'run')
  clip = config.tasks.kinetics400.clip
  worst = clip_sheet.rank(run, 'kinetics400')[:1]
  opened = clip_sheet.open_data(run, 'kinetics400')
  ((_, _, arrays),) = clip_sheet.read(worst, *opened)
  height, width = arrays['size']
  frames = arrays['video'][:, :height, :width]
  example = grad_cam.Example(frames, frames[..., 0] / 255, 'sit', 'run', 0.9)
  text = ''.join(moving.clips(run, 'kinetics400', 1, {ids[1]: example}))
  words, tags = read(markup.page('x', [text]))
  assert 'Worst 1 of 3 clips sit 0.10, taken for run 0.90' in words
  assert 'what speaks for run 0.90' in words
  shown = [attributes for tag, attributes in tags if tag == 'img']
  animations = [Image.open(_content(each['src'])) for each in shown]
  assert [image.n_frames for image in animations] == [clip.frames] * 2
  # With its map a clip is twice as wide.
  assert [int(each['width']) for each in shown] == [320, 240]
  assert len(text) < 300_000
  seconds = clip.frames * clip.stride / clip.fps
  animations[0].load()
  took = animations[0].info['duration'] * clip.frames / 1000
  assert abs(took - seconds) < 0.1
  stills = [a['srcset'] for tag, a in tags if tag == 'source']
  assert Image.open(_content(stills[0])).n_frames == 1


def test_a_map_alone_plays_and_says_what_it_is_of():
  frames = np.zeros((3, 8, 6, 3), np.uint8)
  heat = np.linspace(0, 1, 144).reshape(3, 8, 6)
  example = grad_cam.Example(frames, heat, '', 'sit', 0.75)
  words, tags = read(
    markup.page('x', [moving.heated(example), moving.speaks(example, 'below')])
  )
  assert 'below: what speaks for sit 0.75' in words
  (shown,) = (attributes for tag, attributes in tags if tag == 'img')
  assert Image.open(_content(shown['src'])).n_frames == 3
  assert moving.speaks(None, 'below') == ''


def _content(address):
  return io.BytesIO(base64.b64decode(address.partition(',')[2]))


def test_nothing_but_the_pages_own_script_may_run():
  text = markup.page('<x>', [markup.text('\ud800 \u0007 "')])
  script = re.search('<script>(.*?)</script>', text, re.S)[1]
  digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
  assert f"script-src 'sha256-{digest}'" in text
  assert "default-src 'none'" in text
  assert '<title>&lt;x&gt;</title>' in text
  assert text.encode().decode().count('\ufffd') == 2


@pytest.mark.parametrize(
  'low, high, expected',
  [
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (2.1, 2.2, [2.1, 2.12, 2.14, 2.16, 2.18, 2.2]),
    (-30, 70, [-20, 0, 20, 40, 60]),
    (3e4, 9e4, [40000, 60000, 80000]),
  ],
)
def test_ticks_are_round(low, high, expected):
  assert chart.ticks(low, high) == expected


def test_long_curves_are_thinned():
  x = np.arange(10_000)
  assert len(chart.lines('x', [chart.Line('a', x, x % 7)], 'step')) < 8_000


def test_the_door_is_known():
  assert cli.DOORS['report'] == 'vidpetl.report'
