"""Cross-validation: what runs, what is averaged."""

import re
import subprocess
import sys

import experiments
import numpy as np
import pytest
from etils import epath

from vidpetl import folds as door
from vidpetl.studies import cross_validation as folds
from vidpetl.studies import series, settings

BEST = [
  {
    'reported': {
      'how': 'best',
      'step': step,
      'by': 'q/spearman',
      'on': 'test',
      'evaluations': 4,
      'note': '',
    }
  }
  for step in (3, 5)
]


def test_table_averages_folds_then_tasks_by_fisher_z():
  rows = [
    folds.row('task=a', np.array([[0.6, 0.8], [0.7, 0.9]]), BEST),
    folds.row('task=b', np.array([[0.2, 0.4], [0.2, 0.4]])),
  ]
  lines = folds.table(rows, ['fold=1', 'fold=2'], 'q/spearman', 'fisher_z')
  *_, a, b, average = lines.splitlines()
  assert a == (
    '| task=a | 65.0 | 85.0 | 75.0 ± 7.1 | best of 4 by q/spearman on the test '
    'set, steps 3, 5 |'
  )
  assert b == '| task=b | 20.0 | 40.0 | 30.0 ± 0.0 | |'
  expected = np.tanh((np.arctanh(0.75) + np.arctanh(0.3)) / 2)
  assert average.endswith(f'{100 * expected:.1f} | |')
  plain = folds.table(rows, ['fold=1', 'fold=2'], 'q/spearman', 'arithmetic')
  assert plain.endswith('52.5 | |')


@pytest.mark.parametrize(
  'metrics, match',
  [({'l2': 1.0}, 'is none of'), ({'spearman': None}, 'not def')],
)
def test_what_a_run_did_not_measure_is_named(metrics, match):
  results = {'tasks': {'q': {'metrics': metrics}}}
  with pytest.raises(ValueError, match=f'runs/x.*{match}'):
    folds.value(results, 'q/spearman', 'runs/x')


def test_every_fold_of_every_variant_runs_with_every_seed(
  tmp_path, monkeypatch, capsys
):
  """What is run is replaced; planning, averaging and writing are not."""

  def run(config, workdir, told, metrics):
    assert metrics == ['q/spearman']
    task, fold, seed = config
    if (task, fold, seed) == ('b', '2', 1):
      raise ValueError('no such fold')
    value = None if (task, fold) == ('c', '1') else 0.5 + 0.1 * seed
    return {'tasks': {'q': {'metrics': {'spearman': value}}}}

  monkeypatch.setattr(series, 'run', run)
  arguments = (
    lambda s, seed: (s[0].arguments['task'], s[1].arguments['fold'], seed),
    settings.parse('task=a|b|c'),
    settings.parse('fold=1|2'),
    2,
    'q/spearman',
    'fisher_z',
    epath.Path(tmp_path),
  )
  missing, undefined = door.cross_validate(*arguments)
  assert missing.endswith('task=b/fold=2/seed1: no such fold')
  assert 'task=c/fold=1/seed0: q/spearman is not defined' in undefined
  text = (tmp_path / 'folds.md').read_text()
  assert '| task=a | 55.0 | 55.0 | 55.0 ± 7.1 |' in text
  assert 'task=b' not in text and 'task=c' not in text


def test_the_command_line(tmp_path):
  """What all runs share need not be a config by itself: here it lacks task=."""
  arguments = [
    f'--workdir={tmp_path}',
    '--config=configs/pecop_aqa.py:demo,dataset=jigsaws,head=musdl',
    '--over=task=suturing',
    '--folds=fold=1|2',
  ]
  run = lambda *more: subprocess.run(
    [sys.executable, '-m', 'vidpetl.folds', *arguments, *more],
    capture_output=True,
    text=True,
    cwd=experiments.ROOT,
  )
  done = run(f'--config.tasks.jigsaws.train.raw={tmp_path}/nothing')
  assert done.returncode == 1
  for fold in (1, 2):
    line = rf'FAILED .*task=suturing/fold={fold}/seed0: .*{tmp_path}/nothing'
    assert re.search(line, done.stderr), done.stderr
  assert "Unknown command line flag 'sedes'" in run('--sedes=2').stderr
