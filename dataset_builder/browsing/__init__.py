"""A dataset in the app: found pairs as pictures, and flags that the filter heeds."""
