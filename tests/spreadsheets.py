"""Spreadsheets as LibreOffice writes them, in their smallest form."""

import datetime
import zipfile
from xml.sax import saxutils

_NAMES = ' '.join(
  f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
  for name in ('office', 'table', 'text')
)
_TYPE = 'application/vnd.oasis.opendocument.spreadsheet'
_MANIFEST = (
  '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
  'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
  f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_TYPE}"/>'
  '</manifest:manifest>'
)


def ods(path, rows):
  """Writes rows of texts, numbers, times and None; returns the path."""
  cells = ''.join(
    f'<table:table-row>{"".join(map(_cell, row))}</table:table-row>'
    for row in rows
  )
  content = (
    f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_NAMES}>'
    '<office:body><office:spreadsheet><table:table table:name="Sheet1">'
    f'{cells}</table:table></office:spreadsheet></office:body>'
    '</office:document-content>'
  )
  with zipfile.ZipFile(path, 'w') as file:
    file.writestr('mimetype', _TYPE)
    file.writestr('META-INF/manifest.xml', _MANIFEST)
    file.writestr('content.xml', content)
  return path


def _cell(value):
  if value is None:
    return '<table:table-cell/>'
  shown = saxutils.escape(str(value))
  if isinstance(value, datetime.time):
    kind = f'"time" office:time-value="{value.strftime("PT%HH%MM%SS")}"'
  elif isinstance(value, str):
    kind = '"string"'
  else:
    kind = f'"float" office:value="{value}"'
  return (
    f'<table:table-cell office:value-type={kind}><text:p>{shown}</text:p>'
    '</table:table-cell>'
  )
