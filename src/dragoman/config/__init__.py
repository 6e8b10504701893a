"""One frozen value for all settings, and the adapters that make it.

`settings` declares every setting, `load` makes the value from files, environment and command line. The
package itself imports neither, so that whoever needs `Config` alone loads no YAML parser.
"""
