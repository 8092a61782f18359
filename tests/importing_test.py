"""The door `vidpetl import`, from files of each tool to vidpetl's own."""

import json
import subprocess
import sys

import annotated
import annotation_tools
import experiments
import pytest
from absl import flags
from annotation_tools import WRITERS

from vidpetl import importing
from vidpetl.data import sources


def run(*words):
  """Returns the report of a command line."""
  values = flags.FlagValues()
  importing.define_flags(values)
  _, *paths = values(['import', *map(str, words)])
  return importing.from_flags(values, paths)


@pytest.mark.parametrize('write', WRITERS, ids=lambda write: write.__name__)
def test_each_format_of_one_truth_gives_the_same_csv(write, tmp_path):
  boxes = annotated.truth(several=WRITERS[write])
  words = write(tmp_path, boxes)
  out = tmp_path / 'out'
  report = run(*words, f'--out={out}', '--split=train')
  assert annotated.read(out / 'train.csv') == annotated.rows(boxes)
  assert report['left_out'] == []


def _files(folder):
  return {path.name: path.read_text() for path in folder.glob('*.csv')}


@pytest.fixture
def cvat(tmp_path):
  """The command line's words for CVAT's files and their films."""
  videos = annotated.films(tmp_path / 'films')
  *words, _, action = annotation_tools.cvat_video(tmp_path, annotated.truth())
  return [*words, action, f'--videos={videos}', f'--out={tmp_path / "out"}']


def test_the_csv_opens_on_the_films(cvat, tmp_path):
  run(*cvat)
  for split, count in (('train', 6), ('val', 3)):
    source = sources.open_source(
      {
        'source': 'ava_csv',
        'videos': str(tmp_path / 'films'),
        'annotations': str(tmp_path / 'out' / f'{split}.csv'),
        'labelmap': str(tmp_path / 'out' / 'labels.txt'),
      }
    )
    assert len(source) == count and not source.info.dropped
    assert source.info.classes == dict(enumerate(annotated.ACTIONS))


def test_a_film_is_in_one_split_and_the_same_one_each_time(cvat, tmp_path):
  first = run(*cvat)
  split = {
    name: film['split'] for name, film in first['boxes']['films'].items()
  }
  assert sorted(split.values()) == ['train', 'train', 'val']
  for name, content in _files(tmp_path / 'out').items():
    of_file = {row.split(',')[0] for row in content.splitlines()}
    assert {split[film] for film in of_file} == {name.removesuffix('.csv')}
  before = _files(tmp_path / 'out')
  assert run(*cvat[::-1]) != {} and _files(tmp_path / 'out') == before


def test_classes_that_no_training_sees_are_said(cvat, tmp_path):
  for name in ('café', 'Film B'):  # which are for training
    other = tmp_path / f'{name}.xml'
    rest = other.read_text(encoding='utf-8')
    ticked = '<attribute name="carry/hold">true'
    assert ticked in rest
    rest = rest.replace(ticked, ticked.replace('true', 'false'))
    other.write_text(rest, encoding='utf-8')
  notes = run(*cvat)['assumed']
  assert '1 class in val or test alone: carry/hold.' in notes


def test_one_film_has_no_validation_and_that_is_said(cvat, tmp_path):
  report = run(cvat[0], *cvat[3:])
  assert list(_files(tmp_path / 'out')) == ['train.csv']
  assert any('validation needs a film' in each for each in report['assumed'])


def test_folders_say_the_split(tmp_path):
  boxes = annotated.truth()
  for split, film in (('Train', 'dance'), ('valid', 'café')):
    folder = tmp_path / split
    folder.mkdir()
    annotation_tools.cvat_video(folder, boxes)
    for path in folder.glob('*.xml'):
      if path.stem != film:
        path.unlink()
  words = [tmp_path / 'Train', tmp_path / 'valid', f'--out={tmp_path / "o"}']
  report = run(*words, '--fps=10', '--action=checkboxes')
  assert report['written'] == ['train.csv', 'val.csv', 'labels.txt']
  assert report['boxes']['films']['café']['split'] == 'val'


def test_folders_of_labels_lie_in_those_of_splits(tmp_path):
  for i, split in enumerate(('train', 'valid', 'test')):
    folder = tmp_path / 'in' / split / 'labels'
    folder.mkdir(parents=True)
    (folder / f'film{i}_mp4-1_jpg.rf.0a1b.txt').write_text('0 .5 .5 .2 .2\n')
  out = tmp_path / 'out'
  done = run(tmp_path / 'in', '--fps=10', '--size=64x48', f'--out={out}')
  films = done['boxes']['films']
  assert {name: film['split'] for name, film in films.items()} == {
    'film0': 'train', 'film1': 'val', 'film2': 'test',
  }  # fmt: skip


def test_a_film_in_two_splits_is_put_into_one_and_that_is_said(tmp_path):
  paths = []
  for split in ('train', 'val'):
    folder = tmp_path / split
    folder.mkdir()
    annotation_tools.coco(folder, annotated.truth())
    paths.append(folder / 'coco.json')
  report = run(*paths, '--action=checkboxes', f'--out={tmp_path / "out"}')
  assert any('in several splits' in each for each in report['assumed'])
  rows = ''.join(_files(tmp_path / 'out').values())
  assert rows.count('\n') == len(annotated.rows(annotated.truth()))


def test_the_report_lists_all_that_was_left_out(cvat, tmp_path):
  path = tmp_path / 'dance.xml'
  content = path.read_text(encoding='utf-8')
  path.write_text(content.replace('xbr="20.00"', 'xbr="1.00"'))
  run(*cvat)
  report = json.loads((tmp_path / 'out' / 'report.json').read_text())
  (one,) = report['left_out']
  assert one['where'].startswith(str(path)) and 'no area' in one['why']
  film = report['boxes']['films']['dance']
  assert (film['boxes'], film['persons'], film['keyframes']) == (4, 2, 2)
  assert (film['fps_from'], film['size_from']) == (
    'the video',
    'the annotations',
  )


def test_lists_become_a_manifest_that_opens(tmp_path):
  videos = annotated.films(tmp_path / 'films')
  for split, content in (
    ('train', 'dance.mp4 0\nFilm B.mp4 1\n'),
    ('val', 'café.mp4 1\n'),
  ):
    (tmp_path / f'{split}_list.txt').write_text(content, encoding='utf-8')
  (tmp_path / 'names.txt').write_text('sit\ntalk\n')
  report = run(
    tmp_path / 'train_list.txt',
    tmp_path / 'val_list.txt',
    f'--root={videos}',
    f'--names={tmp_path / "names.txt"}',
    f'--out={tmp_path / "out"}',
  )
  assert report['format'] == 'mmaction2'
  assert report['clips']['clips'] == {'train': 2, 'val': 1}
  for split, labels in (('train', ['sit', 'talk']), ('val', ['talk'])):
    source = sources.open_source(
      {
        'source': 'manifest',
        'path': str(tmp_path / 'out' / 'clips.csv'),
        'split': split,
      }
    )
    names = [source.info.classes[source[i].label] for i in range(len(source))]
    assert names == labels


def test_a_list_without_split_has_a_share_of_each_class(tmp_path):
  lines = [
    f'{name}/{i}.mp4 {c}\n' for c, name in enumerate('ab') for i in range(10)
  ]
  (tmp_path / 'all.csv').write_text(''.join(lines))
  report = run(tmp_path / 'all.csv', f'--out={tmp_path / "out"}')
  assert report['clips']['classes'] == {
    name: {'train': 8, 'val': 2} for name in '01'
  }
  assert any('20 of 20 videos are not there' in n for n in report['assumed'])


def test_spans_of_time_are_clips_of_the_films(tmp_path):
  videos = annotated.films(tmp_path / 'films')
  (tmp_path / 'via.csv').write_text(
    '# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,'
    'spatial_coordinates,metadata\n'
    '"1_a","[""dance.mp4""]",0,"[0.5,1.25]","[]","{""1"":""sit""}"\n'
  )
  words = [tmp_path / 'via.csv', f'--videos={videos}', '--split=train']
  run(*words, f'--out={tmp_path / "out"}')
  assert (tmp_path / 'out' / 'clips.csv').read_text().splitlines() == [
    'path,label,start,end,split',
    f'{videos / "dance.mp4"},sit,0.5,1.25,train',
  ]


def test_another_import_leaves_nothing_of_the_one_before(cvat, tmp_path):
  run(*cvat)
  run(*cvat, '--split=test')
  assert list(_files(tmp_path / 'out')) == ['test.csv']


def test_files_that_no_import_wrote_are_left_alone(cvat, tmp_path):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'train.csv').write_text('mine')
  with pytest.raises(ValueError, match=r'holds train\.csv, which no import'):
    run(*cvat)
  assert (tmp_path / 'out' / 'train.csv').read_text() == 'mine'


@pytest.mark.parametrize(
  'content, name, said',
  [
    ('path,label\na.mp4,sit\n', 'a.csv', 'in no format .* cvat: '),
    ('{"a": 1}', 'a.json', 'in no format'),
    ('<svg/>', 'a.xml', 'in no format'),
  ],
)
def test_files_of_no_format_are_refused_with_those_there_are(
  content, name, said, tmp_path
):
  (tmp_path / name).write_text(content)
  with pytest.raises(ValueError, match=said):
    run(tmp_path / name, f'--out={tmp_path / "out"}')


def test_a_folder_without_a_file_to_import_is_refused(tmp_path):
  (tmp_path / 'a.jpg').touch()
  for more in ((), ('--from=yolo',)):
    with pytest.raises(ValueError, match=r'no file below it ends in \.xml, '):
      run(tmp_path, f'--out={tmp_path / "out"}', *more)


def test_files_of_another_format_than_the_one_named_are_refused(tmp_path):
  (tmp_path / 'a.xml').write_text('<annotations></annotations>')
  with pytest.raises(ValueError, match=r'a\.xml: no COCO'):
    run(tmp_path, '--from=coco', f'--out={tmp_path / "out"}')


def test_files_of_which_all_is_left_out_say_why(tmp_path):
  (tmp_path / 'det.txt').write_text('1,-1,1,2,3,4,0.9\n')
  words = (tmp_path / 'det.txt', '--from=mot', '--film=a', '--fps=5')
  with pytest.raises(ValueError, match=r'no box in 1 of 1 files; .* detection'):
    run(*words, f'--out={tmp_path / "out"}')


def test_files_of_several_formats_are_refused(tmp_path):
  (tmp_path / 'a.txt').write_text('a.mp4 1\n')
  (tmp_path / 'b.xml').write_text('<annotations></annotations>')
  with pytest.raises(ValueError, match=r'a\.txt .mmaction2., .*b\.xml .cvat.'):
    run(tmp_path, f'--out={tmp_path / "out"}')


@pytest.mark.parametrize(
  'word, said',
  [
    ('--from=pascal', "--from='pascal'; there are: ava, coco, cvat"),
    ('--size=big', '--size=big is not WIDTHxHEIGHT'),
    ('--pattern=(', r'--pattern=\(: '),
    ('--pattern=x', 'has no group .*frame'),
    ('--split=half', 'none of train, val, test'),
    ('--videos=/nowhere', 'no such folder'),
    ('--names=/nowhere', '/nowhere: not found'),
    ('--share=1.5', 'at least 0 and at most 1'),
  ],
)
def test_a_mistake_on_the_line_is_named(word, said, cvat):
  with pytest.raises((ValueError, OSError), match=said):
    run(*cvat, word)


def test_an_archive_is_to_be_unpacked(tmp_path):
  with pytest.raises(ValueError, match='unpack it'):
    run(tmp_path / 'export.zip', f'--out={tmp_path / "out"}')


def test_the_door_prints_the_report_and_the_next_command(cvat):
  done = subprocess.run(
    [sys.executable, '-m', 'vidpetl', 'import', *cvat],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  for said in (
    "cvat (CVAT's xml",
    '15 boxes, 6 persons, 9 keyframes, 3 films',
    'talk to (a person)      6    3',
    'note: Frames are counted from 0',
    '--config=adapt:data=',
  ):
    assert said in done.stdout


@pytest.mark.slow
def test_what_was_imported_trains(cvat, tmp_path):
  run(*cvat)
  out = tmp_path / 'out'
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'vidpetl', 'train', '--config.steps=1'),
      f'--workdir={tmp_path / "run"}',
      f'--config=adapt:data={out / "train.csv"},val={out / "val.csv"},'
      f'videos={tmp_path / "films"},labelmap={out / "labels.txt"},small,'
      'backbone=videomae_b,batch=2,epochs=1',
    ],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  results = json.loads((tmp_path / 'run' / 'results.json').read_text())
  assert results
