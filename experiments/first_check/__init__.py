"""What Reg, DA and AS each do at small scale, against controls for compute."""
