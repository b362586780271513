"""What a report for people shows beside the findings: `making` makes it of a module and a run, `records` are what it is
made into, `declarations` are the signatures as pictures."""
