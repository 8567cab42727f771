"""The whole engine on a simulated machine: disk, clock, threads and rivals all follow from one seed."""
