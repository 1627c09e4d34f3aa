"""Published and example recipes for `attnmask build` and `attnmask train`, found by name from anywhere."""
