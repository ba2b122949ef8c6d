"""The commands, one thin module each: options → one library call → a view or an export → exit status.

``add_parser(subparsers)`` declares the options and ``run(options)`` does the rest; only ``run`` imports what is heavy,
so that ``--help`` is fast.
"""
