"""Objects of one class told apart, by connected parts and by who attends to whom."""
