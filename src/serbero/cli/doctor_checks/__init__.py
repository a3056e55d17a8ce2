"""What `serbero doctor` looks at: pure checks, and the probes that collect their facts."""
