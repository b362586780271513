"""hubcheck's side of the runs: start the servers, hand out jobs, and read what the workers send."""
