"""What a film is asked, and what is said of it; one module per kind.

A module is called as a kind of `vidpetl.data.kinds` and has `ask`, which returns
the windows of a film as annotations of that kind, and `answer`, which makes an
`answer.Answer` of what the model's task puts out of each.
"""
