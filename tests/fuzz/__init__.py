"""Fuzzing: every module gets a verdict, whatever bytes it consists of, within seconds and in little memory."""
