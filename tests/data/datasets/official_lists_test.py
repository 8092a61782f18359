"""Oddities of the official lists, which drawn data do not have."""

import pickle

import pytest

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.data.annotations import ava, labelmap, text
from vidpetl.data.datasets import hmdb51, jigsaws, kinetics, ucf101

# Names as they stand in HMDB51's lists.
_HMDB51 = (
  '#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi',
  '(HQ)_Rock_Climbing_-_Free_Solo_-_Dan_Osman_climb_f_cm_np1_le_med_3.avi',
  'Fellowship_5_shake_hands_u_cm_np2_ba_med_2.avi',
  'Torwarttraining_[U_14]_catch_f_cm_np1_fr_med_1.avi',
  'Goal!_Rooney_&_Giggs;_kick_ball_f_cm_np1_ba_bad_4.avi',
  'pick__nm_np1_fr_goo_0.avi',
  'a name with blanks_wave_u_nm_np1_fr_med_0.avi',
)


def _write(folder, name, content):
  path = folder / name
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return str(path)


def _open(dataset, raw, split='train', **options):
  fields = {'source': 'raw', 'dataset': dataset, 'raw': str(raw)}
  return sources.open_source({**fields, 'split': split, **options})


@pytest.mark.parametrize('end', [' \n', '\n', '\r\n', ' \r\n'])
def test_hmdb51_names_and_ends_of_lines(tmp_path, end):
  lists = 'testTrainMulti_7030_splits'
  rows = [f'{name} {1 + i % 2}' for i, name in enumerate(_HMDB51)]
  for name in ('brush_hair', 'shake_hands'):
    content = end.join([*rows, 'unused.avi 0', '', ''])
    _write(tmp_path, f'{lists}/{name}_test_split1.txt', content)
    for file in _HMDB51:
      _write(tmp_path, f'{name}/{file}', '')
  # What Macs leave beside each file on other disks.
  _write(tmp_path, f'{lists}/._brush_hair_test_split1.txt', b'\0\5\x16\7\xb0')
  train, test = (
    _open('hmdb51_1', tmp_path, split) for split in ('train', 'val')
  )
  assert dict(train.info.classes) == {0: 'brush_hair', 1: 'shake_hands'}
  for source, files in ((train, _HMDB51[::2]), (test, _HMDB51[1::2])):
    found = [(source[i].id, source[i].label) for i in range(len(source))]
    assert found == [
      (f'{name}/{file}', label)
      for label, name in enumerate(('brush_hair', 'shake_hands'))
      for file in files
    ]
    assert not source.info.dropped
    assert source.video(0) == str(tmp_path / 'brush_hair' / files[0])


def test_hmdb51_lists_may_begin_with_a_mark(tmp_path):
  _write(tmp_path, 'wave_test_split1.txt', b'\xef\xbb\xbfa.avi 1 \r\n')
  assert hmdb51.read(tmp_path, 1, 'wave', 'train') == ['a.avi']


def test_ucf101_lists_of_windows_and_without_labels(tmp_path):
  lists = 'ucfTrainTestlist'
  classes = b'1 ApplyEyeMakeup\r\n2 HandstandPushups\r\n3 YoYo\r\n'
  _write(tmp_path, f'{lists}/classInd.txt', classes)
  # The file's name has another capital than the class.
  push, make = 'v_HandStandPushups_g08_c01.avi', 'v_ApplyEyeMakeup_g01_c01.avi'
  _write(
    tmp_path,
    f'{lists}/trainlist01.txt',
    f'HandstandPushups/{push} 2\r\nYoYo/v_YoYo_g08_c01.avi 3\r\n'.encode(),
  )
  _write(tmp_path, f'{lists}/testlist01.txt', f'ApplyEyeMakeup/{make}\r\n')
  for file in (f'HandstandPushups/{push}', f'ApplyEyeMakeup/{make}'):
    _write(tmp_path, f'UCF-101/{file}', '')
  train, test = (
    _open('ucf101_1', tmp_path, split) for split in ('train', 'val')
  )
  assert (train[0].id, train[0].label) == (f'HandstandPushups/{push}', 1)
  assert [d.id for d in train.info.dropped] == ['YoYo/v_YoYo_g08_c01.avi']
  assert (test[0].label, len(test), test.info.num_classes) == (0, 1, 3)
  read = ucf101.read_classes(f'{tmp_path}/{lists}/classInd.txt')
  assert read == ['ApplyEyeMakeup', 'HandstandPushups', 'YoYo']


_LABELS = {
  '"playing guitar (electric)"': 'playing guitar (electric)',
  '"massaging person\'s head"': "massaging person's head",
  "massaging person's head": "massaging person's head",
  '"clay, pottery making"': 'clay, pottery making',
  '"the ""moonwalk"""': 'the "moonwalk"',
  ' walk ': 'walk',
  'cafe\u0301': 'caf\u00e9',
}


@pytest.mark.parametrize(
  'header, tail',
  [
    ('label,youtube_id,time_start,time_end,split', 'train'),
    ('label,youtube_id,time_start,time_end,split,is_cc', 'train,0'),
    ('"label","youtube_id","time_start","time_end","split"', '"train"'),
  ],
)
@pytest.mark.parametrize('start, end', [('17', '27'), ('17.0', '27.000')])
def test_kinetics_columns_quotes_and_times(tmp_path, header, tail, start, end):
  rows = [
    f'{label},-Qz25rXdMj{i},{start},{end},{tail}'
    for i, label in enumerate(_LABELS)
  ]
  path = _write(tmp_path, 'train.csv', '\r\n'.join([header, *rows, '']))
  clips, labels = kinetics.read(path)
  assert labels == list(_LABELS.values())
  assert clips == [f'-Qz25rXdMj{i}_000017_000027' for i in range(len(_LABELS))]


_KINETICS = 'label,youtube_id,time_start,time_end,split\n'


def test_a_kinetics_clip_that_is_listed_twice_counts_twice(tmp_path):
  twice = 'walk,a,0,10,train\n' * 2 + 'run,b,0,10,train\n'
  _write(tmp_path, 'annotations/train.csv', _KINETICS + twice)
  val = 'annotations/validate.csv'
  _write(tmp_path, val, _KINETICS + 'run,c,0,10,validate\n')
  _write(tmp_path, 'train/walk/a_000000_000010.mp4', '')
  source = _open('kinetics400', tmp_path)
  assert source.info.notes == (
    '1 clips are listed again, and count as often: a_000000_000010',
  )
  assert [source[i].id for i in range(len(source))] == [
    'a_000000_000010',
    'a_000000_000010#2',
  ]
  assert source.video(0) == source.video(1)


def test_a_kinetics_test_list_says_that_it_has_no_labels(tmp_path):
  content = 'youtube_id,time_start,time_end,split\n--07WQ2iBlw,1,11,test\n'
  path = _write(tmp_path, 'val.csv', content)
  with pytest.raises(
    text.AnnotationError, match=r'val\.csv:1: .*a test list has'
  ):
    kinetics.read(path)


# As many as were never recorded, of five trials of each of eight surgeons;
# which ones is made up.
_MISSING = {
  'Suturing': {'H002'},
  'Needle_Passing': {
    *('B005', 'E002', 'F002', 'F005', 'G001', 'G002', 'G003', 'G004'),
    *('G005', 'H001', 'H003', 'I001'),
  },
  'Knot_Tying': {'B005', 'H001', 'H002', 'I004'},
}


def _trials(task):
  names = [f'{subject}00{i}' for subject in 'BCDEFGHI' for i in range(1, 6)]
  return [f'{task}_{name}' for name in names if name not in _MISSING[task]]


@pytest.mark.parametrize(
  'task, count', [('Suturing', 39), ('Needle_Passing', 28), ('Knot_Tying', 36)]
)
def test_jigsaws_has_as_many_trials_as_were_recorded(tmp_path, task, count):
  trials = _trials(task)
  lines = []
  for i, trial in enumerate(trials):
    blank = ('\t\t', '  ', '\t')[i % 3]
    scores = [1 + i % 5, 2, 3, 4, 5, 1]
    fields = [trial, 'NIE'[i % 3], sum(scores), *scores]
    lines.append(blank.join(map(str, fields)) + '\t ')
  content = '\r\n'.join([*lines, '', '\t', ''])
  path = _write(tmp_path, f'{task}/meta_file_{task}.txt', content)
  assert list(jigsaws.read_meta(path)) == trials
  folds = {task: [tuple(trials[i::4]) for i in range(4)]}
  _write(tmp_path, 'info/splits.pkl', pickle.dumps(folds, protocol=2))
  for trial in trials:
    _write(tmp_path, f'{task}/video/{trial}_capture1.avi', '')
  seen = []
  for fold in range(1, 5):
    options = {'task': task.lower(), 'fold': fold}
    test = _open('jigsaws', tmp_path, 'val', **options)
    train = _open('jigsaws', tmp_path, 'train', **options)
    assert len(train) + len(test) == count
    seen += [test[i].id for i in range(len(test))]
  assert sorted(seen) == sorted(trials)
  assert test[0].judge_scores == (4, 2, 3, 4, 5, 1)


def test_jigsaws_trials_in_no_fold_are_named(tmp_path):
  trials = _trials('Knot_Tying')[:5]
  scores = {trial: [1] * 6 for trial in (*trials, 'Suturing_B001')}
  _write(tmp_path, 'info/label.pkl', pickle.dumps(scores))
  folds = {'Knot_Tying': [[trial] for trial in trials[:4]]}
  _write(tmp_path, 'info/splits.pkl', pickle.dumps(folds))
  _write(tmp_path, f'frames/{trials[0]}_capture1/1.jpg', '')
  with pytest.warns(
    mistakes.Note, match=f'1 of the 5 .* left out: {trials[4]}'
  ):
    _open('jigsaws', tmp_path, 'val', task='knot_tying', fold=1)


# AVA v2.1's and v2.2's lists of actions, and that of ActivityNet's challenge.
_ITEMS = (
  'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n'
  'item {\n  name: "hit (an object)"\n  id: 36\n}\n'
  'item {\n  name: "talk to (e.g., self, a person, a group)"\n  id: 79\n}\n'
  'item {\n  name: "work on a computer"\n  id: 78\n}\n'
)
_LABEL_MAP = (
  'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n'
  '  label_type: PERSON_MOVEMENT\n}\n'
  'label {\n  name: "hit (an object)"\n  label_id: 36\n'
  '  label_type: OBJECT_MANIPULATION\n}\n'
  'label {\n  name: "talk to (e.g., self, a person, a group)"\n  label_id: 79\n'
  '  label_type: PERSON_INTERACTION\n}\n'
  'label {\n  name: "work on a computer"\n  label_id: 78\n'
  '  label_type: OBJECT_MANIPULATION\n}\n'
)


@pytest.mark.parametrize(
  'name, content',
  [
    ('ava_action_list_v2.1.pbtxt', _LABEL_MAP),
    ('ava_action_list_v2.2.pbtxt', _LABEL_MAP),
    ('ava_action_list_v2.1_for_activitynet_2018.pbtxt.txt', _ITEMS),
    ('ava_action_list_v2.2_for_activitynet_2019.pbtxt', _ITEMS),
    ('ava_action_list_v2.2.pbtxt', _ITEMS.replace('\n', '\r\n')),
  ],
)
def test_avas_lists_of_actions(tmp_path, name, content):
  names = labelmap.read(_write(tmp_path, name, content))
  assert names == {
    1: 'bend/bow (at the waist)',
    36: 'hit (an object)',
    78: 'work on a computer',
    79: 'talk to (e.g., self, a person, a group)',
  }
  assert list(names) == sorted(names)


@pytest.mark.parametrize('person', ['', ',0'])
@pytest.mark.parametrize('second', ['0902', '902', '0902.0', '902.500000'])
def test_avas_rows_of_seven_or_eight_columns(tmp_path, person, second):
  row = f'-5KQ66BBWC4,{second},0.077,0.151,0.283,0.811,80{person}'
  truth = ava.read_ground_truth(_write(tmp_path, 'a.csv', row + '\r\n'), 80)
  assert truth.keys == [('-5KQ66BBWC4', round(float(second) * 1e6))]
  assert truth.timestamps == [second]
