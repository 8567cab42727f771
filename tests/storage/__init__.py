"""Tests of the storage: its laws on both kinds, and a model of disks that lie, fill up and lose power."""
