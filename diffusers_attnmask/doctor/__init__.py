"""What is installed, what works, what is missing."""
