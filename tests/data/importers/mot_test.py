import annotated
import pytest

from vidpetl.data.annotations import text

_INFO = '[Sequence]\nname=MOT17-02\nframeRate=30\nseqLength=600\nimWidth=64\n'


def _write(folder, content, info=_INFO):
  gt = folder / 'train' / 'MOT17-02' / 'gt'
  gt.mkdir(parents=True)
  if info:
    (gt.parent / 'seqinfo.ini').write_text(info + 'imHeight=48\n')
  (gt / 'gt.txt').write_text(content)
  return gt / 'gt.txt'


def test_rows_to_be_ignored_are_left_out_and_listed(tmp_path):
  path = _write(
    tmp_path,
    '1,1,1,2,3,4,1,1,1\n1,2,1,2,3,4,0,1,1\n1,3,1,2,3,4,1,-1,1\n'
    '2,1,1,2,3,4,1,7,0.5\n',
  )
  found = annotated.reading('mot', path)
  assert [s.label for s in found.shapes] == ['Pedestrian', 'Static person']
  assert [one.why for one in found.left_out] == [
    *('conf is 0: to be ignored', 'class is -1: none')
  ]


def test_a_sequence_says_rate_size_length_and_split(tmp_path):
  found = annotated.reading('mot', _write(tmp_path, '1,1,1,2,3,4,1,1,1\n'))
  film = found.films['MOT17-02']
  assert (film.fps, film.size, film.frames) == (30, (64, 48), 600)
  assert film.splits == {'train'} and found.first == 1


def test_tables_of_2015_have_no_class(tmp_path):
  path = _write(tmp_path, '1,1,1,2,3,4,1,-1,-1,-1\n', info='')
  found = annotated.reading('mot', path)
  assert [s.label for s in found.shapes] == ['person']
  assert list(found.films) == ['MOT17-02']


@pytest.mark.parametrize(
  'line, said',
  [
    ('1,1,1,2,3', '5 columns'),
    ('1,1,x,2,3,4,1,1,1', "x is 'x'"),
    ('0,1,1,2,3,4,1,1,1', 'frame 0'),
    ('1.5,1,1,2,3,4,1,1,1', 'frame is 1.5'),
  ],
)
def test_what_is_malformed_is_named_with_its_line(line, said, tmp_path):
  path = _write(tmp_path, f'1,1,1,2,3,4,1,1,1\n{line}\n')
  with pytest.raises(text.AnnotationError, match=rf'gt\.txt:2: .*{said}'):
    annotated.reading('mot', path)


@pytest.mark.parametrize('info', ['no section\n', '[Other]\na=b\n'])
def test_a_broken_seqinfo_is_named(info, tmp_path):
  path = _write(tmp_path, '1,1,1,2,3,4,1,1,1\n', info=info)
  with pytest.raises(text.AnnotationError, match=r'seqinfo\.ini.*no seqinfo'):
    annotated.reading('mot', path)
