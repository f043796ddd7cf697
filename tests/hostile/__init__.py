"""Hostile and broken submissions, one file of `cases` each; case.py has the form."""
