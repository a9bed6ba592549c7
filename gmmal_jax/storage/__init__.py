"""What outlasts the process: whole files, records, checkpoints, the folder."""
