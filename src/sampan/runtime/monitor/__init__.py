"""The process that stays with one container, and the zygote that forks it."""
