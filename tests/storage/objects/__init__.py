"""The storage in object stores: a model with every fault, and real servers."""
