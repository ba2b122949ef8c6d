"""The commands, one thin module each: options → one library call → a view or an export → exit status.

``add_options(parser)`` declares the options and ``run(options)`` does the rest; only ``run`` imports what is heavy, so
that ``--help`` is fast. A module is imported when its command is asked for.
"""
