"""All settings as one frozen value (`Config`), and the code that reads it.

`settings` declares every setting. `load` makes the value from files, the environment and the command line.
This file imports neither of them, so a module that needs only `Config` does not load the YAML parser.
"""
