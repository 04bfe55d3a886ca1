"""Tests on one lab: a manager and two workers."""
