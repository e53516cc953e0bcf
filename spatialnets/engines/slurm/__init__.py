"""The Slurm engine: one array task per job, submitted with sbatch."""
