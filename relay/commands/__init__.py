"""The command line: the output of commands, as text, tables or JSON."""
