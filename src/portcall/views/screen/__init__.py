"""The screen: what a terminal shows while traffic is counted, or of a capture that was read, and its keys.

Pictures come in, and are never asked for anything that takes time: what is heavy is done by whoever takes them. All
text of rows passes ``visible``, and none is read as markup.
"""
