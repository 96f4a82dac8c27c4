"""What runs cells: slots of this machine, a Ray cluster, a SLURM queue."""
