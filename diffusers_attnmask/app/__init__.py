"""The app: prompts and pictures in a browser, their masks beside them. It needs the `app` extra.

`studio.py` does the work and `view.py` keeps what it gave, both without a browser; a file for each tab lays
out its fields; `page.py` puts tabs together. Every other room may add tabs of its own.
"""
