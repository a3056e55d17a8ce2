"""Until a human has it: hand-offs dispatched, reminders climbed, deadlines watched."""
