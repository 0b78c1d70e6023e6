"""What a person sees and types: the Textual app, its panes, the `:` command line and the shell commands.

Textual reads its frame rate and animation level from the environment when it is first imported, so they are set
here, before any module of this package can import it. 120 frames a second halves the time from key to paint at no
cost in CPU; animations would repaint whole panes for nothing.
"""

import os

os.environ.setdefault("TEXTUAL_FPS", "120")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
