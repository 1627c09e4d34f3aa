"""Segment Anything, of every generation that transformers has: found by its configuration, asked for masks.

`frame` says where a picture lies in what a network sees, `embedding` looks at it once; `prompted` asks by
boxes, points and maps (SAM, SAM 2 and SAM 3), `worded` by words (SAM 3); `kinds` knows which takes which.
"""
