"""What a build will need, told before its hours: prompts, files, memory and, where it is measured, time."""
