"""The use cases of one machine: containers, images, networks, volumes, builds."""
