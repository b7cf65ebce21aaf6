"""Containers of a Docker daemon, wherever it is: images, volumes, sessions in them."""
