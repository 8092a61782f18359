"""What there is to say of data before hours are spent on it.

`subject` has the data and the recipe that is to see them, `reading` reads each
file once (`record`, kept in a `cache`), the folder `findings` says what is odd,
and `report` and `page` show it. Nothing here decodes more than a first frame.
"""
