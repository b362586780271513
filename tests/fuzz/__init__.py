"""Fuzzing: whatever bytes a module is made of, it gets a verdict, soon, in little memory."""
