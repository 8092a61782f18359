"""TFDS builders of UCF101's three splits."""

from __future__ import annotations

from vidpetl.data.records import base


class Ucf101(base.VideoBuilder, skip_registration=True):
  """UCF101: clips of human actions from YouTube."""

  CITATION = """@article{soomro2012ucf101,
  title={{UCF101}: A Dataset of 101 Human Actions Classes From Videos in The
    Wild},
  author={Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  journal={arXiv:1212.0402},
  year={2012}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.txt, and the archive of
  videos unpacked: UCF-101/<Class>/*.avi.
  """


class Split1(Ucf101):
  name = DATASET = 'ucf101_1'


class Split2(Ucf101):
  name = DATASET = 'ucf101_2'


class Split3(Ucf101):
  name = DATASET = 'ucf101_3'
