"""What learners are built of: phases of training, their losses and networks."""
