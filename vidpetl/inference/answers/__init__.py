"""What a film is asked, and what is said of it; one module per kind.

A module is called as a kind of `vidpetl.data.kinds`. It has `ask`, which
returns the windows of a film as annotations of that kind, and `answer`, which
makes an `answer.Answer` of what the model's task puts out of each. `PROGRAM` is
the function of `question.Program` that puts it out, and `OPTIONS` are those
fields of `question.Options` that it asks for.

Where windows need more than the film and `question.WINDOWS`, such as people,
`plain` returns them without it. A backbone's features are those of its windows.
"""
