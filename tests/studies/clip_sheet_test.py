"""Frames of the worst and best clips of a run, from its data."""

import numpy as np
import pytest
from etils import epath

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.experiment import complete
from vidpetl.studies import clip_sheet, recorded
from vidpetl.training import predictions


def test_frames_are_those_of_the_clips(make_config, tmp_path):
  config = complete.complete(make_config('kinetics400'))
  (tmp_path / 'metrics.jsonl').write_text('')
  (tmp_path / 'config.json').write_text(config.to_json_best_effort())
  source = sources.open_source(config.tasks.kinetics400.eval)
  ids = [*list(source.ids)[:3], 'gone']
  truth = [0.9, 0.1, 0.5, 0.2]
  predictions.write_csv(
    tmp_path / 'predictions' / 'kinetics400.1.csv',
    {
      'id': ids,
      'truth': ['sit'] * 4,
      'truth_score': truth,
      'top1': ['sit', 'run', 'run', 'run'],
      'score1': np.full(4, 0.9),
    },
  )
  run = recorded.Recorded(epath.Path(tmp_path), 'run')
  with pytest.warns(mistakes.Note, match='gone is no longer in kinetics400'):
    sheet = clip_sheet.draw(run, 'kinetics400', 2)
  # Two rows of two clips, of which one is gone, below their names.
  assert sheet.width > 300 and sheet.height > 300
  dark = (np.asarray(sheet).astype(int).sum(-1) < 700).mean()
  assert dark > 0.2  # There are frames on it.
