"""The verbs of the command line, one file each; cli.py loads one when it is asked for."""
