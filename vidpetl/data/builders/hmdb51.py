"""TFDS builders of HMDB51's three splits."""

from __future__ import annotations

from vidpetl.data.records import base


class Hmdb51(base.VideoBuilder, skip_registration=True):
  """HMDB51: clips of human actions from films and the web."""

  CITATION = """@inproceedings{kuehne2011hmdb,
  title={{HMDB}: A Large Video Database for Human Motion Recognition},
  author={Kuehne, Hilde and Jhuang, Hueihan and Garrote, Estibaliz and Poggio,
    Tomaso and Serre, Thomas},
  booktitle={ICCV},
  year={2011}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt, and the archives of
  all classes unpacked: <class>/*.avi.
  """


class Split1(Hmdb51):
  name = DATASET = 'hmdb51_1'


class Split2(Hmdb51):
  name = DATASET = 'hmdb51_2'


class Split3(Hmdb51):
  name = DATASET = 'hmdb51_3'
