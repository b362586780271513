"""Whether an output ends in a softmax, a log-softmax or a sigmoid."""
