"""What an operator asks or changes, one topic a file; the command line and the admin address call it alike."""
