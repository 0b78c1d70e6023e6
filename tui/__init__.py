"""What a person sees and types: the Textual app, its panes, the `:` command line and the shell commands."""
