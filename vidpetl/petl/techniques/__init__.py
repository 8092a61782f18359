"""Techniques, one file each: the folder is the list.

A module has `build`, which makes a linen module `(y, given, grid) -> y` of the
technique's options (see `vidpetl.petl.adapted`).
"""
