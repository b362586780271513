"""Messages between hubcheck, the probe server and its workers."""
