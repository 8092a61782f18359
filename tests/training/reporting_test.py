"""Which evaluation is reported, and that it is said."""

import json
import math

import numpy as np
import pytest

from vidpetl.training import reporting


def evaluations(tmp_path, scores, until=100):
  made = reporting.Evaluations(tmp_path, until, write=True)
  for step, score in enumerate(scores, 1):
    made.add(step, found(score))
  return made


def found(score):
  return {
    'q': {
      'metrics': {'top1': np.float32(score), 'top5': 1.0, 'rho': math.nan},
      'report': f'of {score}',
    }
  }


def choose(made, how):
  return made.choose(how, 'q/top1', reporting.TEST)


def test_the_last_the_best_and_the_mean(tmp_path):
  made = evaluations(tmp_path, [0.5, 0.25, 0.75, 0.5])
  last, best, mean = (choose(made, h) for h in ('last', 'best', 'mean10'))
  assert (last.step, last.found['q']['report']) == (4, 'of 0.5')
  assert (best.step, best.found['q']['report']) == (3, 'of 0.75')
  assert math.isnan(mean.found['q']['metrics'].pop('rho'))
  assert mean.found['q']['metrics'] == {'top1': 0.5, 'top5': 1.0}
  assert mean.record()['steps'] == [1, 2, 3, 4]


def test_the_mean_is_of_ten(tmp_path):
  made = evaluations(tmp_path, [100.0] * 3 + [1.0] * 10)
  assert choose(made, 'mean10').found['q']['metrics']['top1'] == 1.0


@pytest.mark.parametrize(
  'scores, step', [([0.5, math.nan, math.nan], 1), ([math.nan, 0.3, 0.2], 2)]
)
def test_what_is_no_number_is_never_the_best(tmp_path, scores, step):
  assert choose(evaluations(tmp_path, scores), 'best').step == step


def test_without_any_number_the_last_is_reported_and_that_is_said(tmp_path):
  choice = choose(evaluations(tmp_path, [math.nan] * 2), 'best')
  assert (choice.how, choice.step) == ('last', 2)
  said = reporting.words([choice.record()])
  assert said == 'last (q/top1 is a number in none of 2 evaluations), step 2'
  json.dumps(choice.record(), allow_nan=False)


def test_of_equal_ones_the_latest_is_the_best_as_of_checkpoints(tmp_path):
  assert choose(evaluations(tmp_path, [0.5, 0.5, 0.1]), 'best').step == 2


def test_a_resumed_run_chooses_among_the_same(tmp_path):
  """Also when it was killed with evaluations that no checkpoint has."""
  scores = [0.1 * i for i in (3, 9, 1, 2, 8)]
  whole = evaluations(tmp_path, scores)
  resumed = reporting.Evaluations(tmp_path, 3, write=True)
  for step in (4, 5):
    resumed.add(step, found(scores[step - 1]))
  for how in ('last', 'best', 'mean10'):
    assert choose(whole, how).record() == choose(resumed, how).record()
  assert math.isnan(resumed.all()[0].metrics['q/rho'])


def test_words_say_how_step_and_of_how_many(tmp_path):
  made = evaluations(tmp_path, [0.5, 0.75, 0.5])
  best = choose(made, 'best').record()
  assert (
    reporting.words([best]) == 'best of 3 by q/top1 on the test set, step 2'
  )
  others = [{**best, 'step': 7}, {**best, 'on': reporting.HELD_OUT}]
  assert reporting.words([best, *others]) == (
    'best of 3 by q/top1 on the test set, steps 2, 7; '
    'best of 3 by q/top1 on held-out training examples, step 2'
  )
  mean = choose(made, 'mean10').record()
  assert reporting.words([mean]) == (
    'mean of the last 3 evaluations, until step 3'
  )
  assert reporting.words([{}]) == 'not said'


@pytest.mark.parametrize(
  'line',
  (
    '5',
    '[' * 100_000,
    '{"step": 1}',
    '{"step": "1", "tasks": {}}',
    '{"step": 1, "tasks": {"q": {"metrics": {"top1": "x"}}}}',
  ),
)
def test_a_line_that_is_no_evaluation_is_refused(tmp_path, line):
  (tmp_path / reporting.FILE).write_text(line)
  with pytest.raises(ValueError, match=r'evaluations\.jsonl is damaged'):
    reporting.read(tmp_path)
