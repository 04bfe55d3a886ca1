"""Labels by which our own settings travel through Docker's API, which has no fields for them.

Small on purpose: the command line imports it at every start of a container.
"""

HEALTH_ON_FAILURE = "org.sampan.health-on-failure"
HEALTH_REACTIONS = ("none", "kill", "restart", "stop")
