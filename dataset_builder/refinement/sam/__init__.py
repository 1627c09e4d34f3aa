"""Masks by Segment Anything, prompted by what attention knows.

1. `objects`: the connected parts of each class in the attention's mask, and how sure its map is of pixels
2. `prompts`: what SAM is asked about each of them: a box, points on it and beside it, the map itself
3. `choice`: the candidate that agrees best with the attention, or the attention's own object
4. `refine`: all of it for one picture
"""
