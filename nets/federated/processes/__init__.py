"""Coordinator and sites as processes of Flower: keys, certificates, ports, and what may run."""
