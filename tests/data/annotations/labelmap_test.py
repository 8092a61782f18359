import pytest

from vidpetl.data.annotations import labelmap, text

_PBTXT = """item {
  name: "bend/bow (at the waist)"
  id: 1
}
item {
  name: "crouch/kneel"
  id: 3
}
"""
_NAMES = {1: 'bend/bow (at the waist)', 3: 'crouch/kneel'}


@pytest.mark.parametrize(
  'name, content',
  [
    ('map.pbtxt', _PBTXT),
    ('map.pbtxt.txt', _PBTXT),
    ('map.pbtxt', _PBTXT.replace('item', 'label').replace('id:', 'label_id:')),
    ('map.txt', '3: crouch/kneel\n1: bend/bow (at the waist)\n'),
    ('map.csv', 'id,name\n1,bend/bow (at the waist)\n3,crouch/kneel\n'),
    ('map.csv', '1,bend/bow (at the waist)\n3,crouch/kneel\n'),
  ],
)
def test_formats(tmp_path, name, content):
  (tmp_path / name).write_text(content)
  names = labelmap.read(str(tmp_path / name))
  assert names == _NAMES and list(names) == [1, 3]


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('m.pbtxt', _PBTXT.replace('3', 'x'), r"m\.pbtxt:5: id 'x'"),
    ('m.pbtxt', _PBTXT.replace('3', '1'), ':5: id 1 again'),
    ('m.pbtxt', '\nitem {\n  name: "a"\n}\n', ':2: a name or id without'),
    ('m.pbtxt', 'label { label_id: 4 }', ':1: a name or id without'),
    ('m.pbtxt', 'name: "a"\nid: 1\n', 'no labels'),
    ('m.pbtxt', '', 'no labels'),
    ('m.txt', '1: a\nb\n', ":2: 'b'; expected id: name"),
    ('m.csv', '1,a\n2\n', ':2: 1 columns'),
    ('m.txt', '0: a\n', "id '0'; expected a whole number from 1"),
  ],
)
def test_errors_name_the_line(tmp_path, name, content, message):
  (tmp_path / name).write_text(content)
  with pytest.raises(text.AnnotationError, match=message):
    labelmap.read(str(tmp_path / name))
