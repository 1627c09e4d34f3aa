"""What a user asks masks for, in words, and where those words stand in a tokenized prompt."""
