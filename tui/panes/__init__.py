"""The panes of the desk, one module each. `tui/app.py` places them and the paint clock feeds them."""
