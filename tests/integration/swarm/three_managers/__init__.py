"""Tests on one lab: three managers and a worker."""
