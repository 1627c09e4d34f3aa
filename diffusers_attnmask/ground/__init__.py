"""What every package stands on and none owns: files, pictures, ids, palette, options, columns, Hub errors."""
