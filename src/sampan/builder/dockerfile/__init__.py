"""The Dockerfile language: text to typed instructions."""
