"""report.html: all that there is to say of a run, or of several, on one page.

`page` lays out a run and `compare` several; the other modules make a part each,
of the files that runs left. A part that cannot be made says why, in its place.
"""
